/** `modelward apikey list` and `show`: terms and use, never a secret. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { toDay } from '../../../gateway/index.ts';
import type { ApiKeyRecord } from '../../../gateway/ports.ts';
import { findApiKey, listApiKeys, toStanding } from '../../../workflows/gateway/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CliContext, type CommandHost, onAction } from '../../context.ts';
import { toPairs, toTable } from '../../ui/table.ts';
import { openBudgets } from './compose.ts';
import { addTableOptions, chooseTable, type TableFlags, withKeyTable } from './flags.ts';

export function defineList(command: Command, host: CommandHost): void {
  command.description('Lists the API keys, revoked ones included. Times of use are at most half a minute old.');
  addTableOptions(command);
  addExamples(command, [{ command: 'modelward apikey list', summary: 'ids, names, ends, last uses' }]);
  onAction<TableFlags>(host, command, async (context, flags) => {
    const nowMs = context.services.clock.nowMs();
    const keys = (await withKeyTable(context, flags, listApiKeys)).map((record) => toRow(record, nowMs));
    context.ui.result({ keys }, ({ style }) =>
      keys.length === 0
        ? 'no API keys yet\n'
        : toTable({
            columns: ['key', 'name', 'tenant', 'secret', 'standing', 'to', 'last used'].map((title) => ({ title })),
            rows: keys.map(({ id, name, tenant, secrets, standing, expires, lastUsed }) => [
              ...[id, name, tenant, secrets.join(' '), standing, expires ?? 'no end', lastUsed ?? '-'],
            ]),
            style,
          }),
    );
    return EXIT.ok;
  });
}

export function defineShow(command: Command, host: CommandHost): void {
  command
    .description('Prints the terms of a key, and what was used of its budgets; parts that gateways hold count as used.')
    .argument('<id>', 'id of the key');
  addTableOptions(command);
  addExamples(command, [{ command: 'modelward apikey show k_0123456789abcdef', summary: 'scopes, limits, use' }]);
  onAction<TableFlags>(host, command, async (context, flags, words) => {
    const record = await withKeyTable(context, flags, (store) => findApiKey(store, words[0]));
    const nowMs = context.services.clock.nowMs();
    const used = await readUsed(context, flags, record, nowMs);
    const row = toRow(record, nowMs);
    const { scopes, limits, networks, output } = record;
    context.ui.result({ ...row, scopes, limits, networks, output, used }, ({ style }) =>
      toPairs(
        [
          ['key', row.id],
          ['name', row.name],
          ['tenant', row.tenant],
          ['standing', row.standing],
          ['secrets', row.secrets.join(' ')],
          ['scopes', scopes.join(' ') || '-'],
          ['networks', networks.join(' ') || 'all'],
          ['rate', `${limits.perMinute} a minute, ${limits.burst} at once, ${limits.concurrency} at work`],
          ['today', toBudget(used.today, limits.daily)],
          ['in all', toBudget(used.inAll, limits.lifetime)],
          ['answers', toSeen(output)],
          ['from', row.from ?? row.created],
          ['to', row.expires ?? 'no end'],
          ['last used', row.lastUsed ?? '-'],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}

interface KeyRow {
  readonly id: string;
  readonly name: string;
  readonly tenant: string;
  /** What of each secret may be shown. */
  readonly secrets: readonly string[];
  readonly standing: string;
  readonly created: string;
  readonly from: string | null;
  readonly expires: string | null;
  readonly lastUsed: string | null;
}

function toRow(record: ApiKeyRecord, nowMs: number): KeyRow {
  const { id, name, tenant, secrets } = record;
  const used = secrets.flatMap(({ usedMs }) => usedMs ?? []);
  return {
    ...{ id, name, tenant, secrets: secrets.map(({ last4 }) => `mwk_live_…${last4}`) },
    standing: toStanding(record, nowMs),
    created: toIso(record.createdMs),
    from: record.notBeforeMs === null ? null : toIso(record.notBeforeMs),
    expires: record.expiresMs === null ? null : toIso(record.expiresMs),
    lastUsed: used.length === 0 ? null : toIso(Math.max(...used)),
  };
}

function toIso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

interface Used {
  /** Items; of budgets that the key has, as only those are counted. */
  readonly today: number;
  readonly inAll: number;
}

async function readUsed(context: CliContext, flags: TableFlags, { id }: ApiKeyRecord, nowMs: number): Promise<Used> {
  const budgets = await openBudgets(context.services, await chooseTable(context, flags));
  try {
    const subject = `key:${id}`;
    const [today, inAll] = await budgets.readUsed([
      { subject, day: toDay(nowMs) },
      { subject, day: -1 },
    ]);
    return { today, inAll };
  } finally {
    await budgets.close();
  }
}

function toBudget(used: number, limit: number | null): string {
  return limit === null ? 'no budget' : `${used} of ${limit} items`;
}

function toSeen({ topK, decimals, isLabelOnly, hidden }: ApiKeyRecord['output']): string {
  if (isLabelOnly) return 'classes without scores';
  const parts = [
    ...(topK === null ? [] : [`the largest ${topK}`]),
    ...(decimals === null ? [] : [`${decimals} decimals`]),
    ...(hidden.length === 0 ? [] : [`without ${hidden.join(', ')}`]),
  ];
  return parts.join(', ') || 'whole';
}
