/** Finished attacks in a folder: a stop in the middle loses one. A result counts while everything it depends on is the same. */
import { join } from 'node:path';
import { z } from 'zod';
import { toHex, utf8 } from '../../core/bytes.ts';
import { toCanonicalJson } from '../../core/canonical-json.ts';
import { sha256 } from '../../core/hash.ts';
import type { AttackRow } from '../../report/index.ts';
import type { Services } from '../services.ts';
import { makeParent, writeBytes } from '../write-bytes.ts';

const head = {
  attack: z.string().max(100),
  group: z.string().max(100),
  title: z.string().max(1000),
  strength: z.string().max(100),
  unit: z.string().max(1000),
  isLossExpected: z.boolean(),
};
const seconds = z.number().nonnegative();
const rowSchema: z.ZodType<AttackRow> = z.discriminatedUnion('state', [
  z.strictObject({
    ...head,
    ...{ state: z.literal('run'), verdict: z.enum(['claim', 'flag', 'none', 'inconclusive']) },
    ...{ evidenceBits: z.number().nonnegative(), bits: z.int().nonnegative(), bitErrors: z.int().nonnegative() },
    ...{ accuracy: z.number().min(0).max(1).nullable(), attackSeconds: seconds, detectSeconds: seconds },
  }),
  z.strictObject({ ...head, state: z.literal('not run'), code: z.string().max(100), reason: z.string().max(10_000) }),
]);

export interface AttackStore {
  find(attack: string, strength: string): AttackRow | undefined;
  keep(row: AttackRow): void;
}

/**
 * @param basis everything else that results depend on: digests of model and claim, data, seed, version
 * @param folder absolute; null keeps nothing
 */
export function openAttackStore(
  { storage }: Pick<Services, 'storage'>,
  folder: string | null,
  basis: Readonly<Record<string, string | number | null>>,
): AttackStore {
  if (folder === null) return { find: () => undefined, keep: () => undefined };
  const toPath = (attack: string, strength: string): string => {
    const key = toHex(sha256(utf8(toCanonicalJson({ ...basis, attack, strength }))));
    return join(folder, `${attack}-${key.slice(0, 24)}.json`);
  };
  return {
    find: (attack, strength) => {
      const path = toPath(attack, strength);
      if (!storage.exists(path)) return undefined;
      return parseRow(storage.read(path));
    },
    keep: (row) => {
      // What was not run may have its needs next time.
      if (row.state !== 'run') return;
      const path = toPath(row.attack, row.strength);
      makeParent(storage, path);
      writeBytes(storage, { path, mode: 0o644, bytes: utf8(`${JSON.stringify(row)}\n`) });
    },
  };
}

/** A file that is damaged counts as absent: its attack is run again. */
function parseRow(bytes: Uint8Array): AttackRow | undefined {
  try {
    return rowSchema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8'))).data;
  } catch {
    return undefined;
  }
}
