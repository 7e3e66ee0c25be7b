/**
 * What pg-boss 10 has no call for, on its table of jobs (schema version 24).
 *
 * `retry_count` goes up each time a job is taken, so together with the id it names one taking of it: a worker that was
 * silent for too long cannot touch the job that another one has now.
 */

/** @param schema checked by `assertSchemaName`: it stands in the text unquoted, as pg-boss has it */
export function toStatements(
  schema: string,
): Readonly<Record<'look' | 'extend' | 'finish' | 'giveBack' | 'clearEnded' | 'withdraw', string>> {
  const job = `${schema}.job`;
  const taken = `name = $1 AND id = $2 AND retry_count = $3 AND state = 'active'`;
  const among = 'name = $1 AND id = ANY($2::uuid[])';
  return {
    look: `SELECT id, state::text AS state,
        CASE WHEN state = 'completed' AND length(output::text) <= $3 THEN output END AS output
      FROM ${job} WHERE ${among}`,
    extend: `UPDATE ${job} SET started_on = now(), expire_in = $4::int * interval '1 second'
      WHERE ${taken} RETURNING id`,
    finish: `UPDATE ${job} SET state = 'completed', completed_on = now(), output = $4::jsonb WHERE ${taken}`,
    // Without started_on, the next taking does not count as another attempt.
    giveBack: `UPDATE ${job} SET state = 'created', started_on = NULL WHERE ${taken}`,
    // States are ordered: created, retry, active, completed, cancelled, failed.
    clearEnded: `DELETE FROM ${job} WHERE ${among} AND state >= 'completed'`,
    withdraw: `DELETE FROM ${job} WHERE ${among} AND state < 'active' RETURNING id`,
  };
}
