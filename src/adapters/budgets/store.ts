/** What was used of budgets, in an SQL database: one row for each subject and day; writers take turns. */
import type { Kysely } from 'kysely';
import type { Database } from '../../core/database.ts';
import type { BudgetPeriod, BudgetStore } from '../../gateway/ports.ts';
import type { BudgetTables } from './tables.ts';

type Db = Kysely<BudgetTables>;

/** Days are at least 0; -1 is all time, which no day is before. */
const FIRST_DAY = 0;

export function openBudgetStore(database: Database<BudgetTables>): BudgetStore {
  return {
    lease: (period, { items, limit }) =>
      database.write(async (db) => {
        const used = await readUsed(db, period);
        const granted = Math.max(0, Math.min(items, limit - used));
        if (granted > 0) await writeUsed(db, period, used + granted);
        return granted;
      }),
    giveBack: (returned) =>
      database.write(async (db) => {
        for (const { subject, day, items } of returned) {
          const used = await readUsed(db, { subject, day });
          await writeUsed(db, { subject, day }, Math.max(0, used - items));
        }
      }),
    readUsed: (periods) =>
      database.read(async (db) => {
        const used: number[] = [];
        for (const period of periods) used.push(await readUsed(db, period));
        return used;
      }),
    forget: (beforeDay) =>
      database.write(async (db) => {
        await db.deleteFrom('budget_used').where('day', '>=', FIRST_DAY).where('day', '<', beforeDay).execute();
      }),
    close: () => database.close(),
  };
}

async function readUsed(db: Db, { subject, day }: BudgetPeriod): Promise<number> {
  const query = db.selectFrom('budget_used').select('used').where('subject', '=', subject).where('day', '=', day);
  return (await query.executeTakeFirst())?.used ?? 0;
}

async function writeUsed(db: Db, { subject, day }: BudgetPeriod, used: number): Promise<void> {
  await db
    .insertInto('budget_used')
    .values({ subject, day, used })
    .onConflict((conflict) => conflict.columns(['subject', 'day']).doUpdateSet({ used }))
    .execute();
}
