/** What a judge is shown of a register: annexes, the names that open them, and proofs that a ledger has them. */
import { WatermarkError, WorkflowError } from '../../core/errors.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { isNamed, toRecipientBody, toRegister } from '../../watermark/recipient/index.ts';
import { readAnnex } from '../annexes.ts';
import type { StoredClaim } from '../claims.ts';
import { checkProof } from '../ledger.ts';
import type { Services } from '../services.ts';
import { parseName, type RegisterEntry } from './register.ts';

export interface ExhibitOptions {
  /** Absolute paths of annexes of type recipient; at least one. */
  readonly annexPaths: readonly string[];
  /** Absolute paths of name files: each opens the salted name of one annex. */
  readonly namePaths: readonly string[];
  /** Absolute paths of proofs from the owner's ledger; they need `verifierKey`. */
  readonly proofPaths: readonly string[];
  /** Of the owner's ledger, as he publishes it. */
  readonly verifierKey?: string | undefined;
}

/** One annex, as it was shown. */
export interface Exhibit extends RegisterEntry {
  readonly path: string;
  /** As a ledger records it, hex. */
  readonly digest: string;
  /** When the owner's ledger took it in; null when that was not shown. */
  readonly recorded: { readonly leafIndex: number; readonly time: string; readonly origin: string } | null;
}

export interface ShownRegister {
  /** Never empty; by number. */
  readonly exhibits: readonly Exhibit[];
  readonly register: {
    /** Annexes that were shown. */
    readonly shown: number;
    /** The highest number among them: so many recipients are counted. */
    readonly highest: number;
    /** Numbers below the highest without an annex. */
    readonly missing: number;
    /** The first of them. */
    readonly missingNumbers: readonly number[];
  };
}

/**
 * @throws SourceError; SignError | WatermarkError of `readAnnex`; RECIPIENT_REGISTER_MALFORMED; WATERMARK_ANNEX_TOO_LARGE for
 *   more annexes than any home has; LedgerError of a proof; WorkflowError RECIPIENT_EXHIBIT_OTHER
 */
export function readExhibits(
  services: Pick<Services, 'storage'>,
  claim: StoredClaim,
  { annexPaths, namePaths, proofPaths, verifierKey }: ExhibitOptions,
): ShownRegister {
  if (annexPaths.length > WATERMARK_LIMITS.annexesMax) {
    throw new WatermarkError('WATERMARK_ANNEX_TOO_LARGE', {
      message: 'more annexes were shown than are looked through',
      fields: { annexes: annexPaths.length, annexesMax: WATERMARK_LIMITS.annexesMax },
    });
  }
  const bodies = annexPaths.map((path) => {
    const stored = readAnnex(services, { path, claim: claim.claim, type: 'recipient' });
    return { path, stored, digest: stored.digest, body: toRecipientBody(stored.annex, claim.claim.topology) };
  });
  const names = namePaths.map((path) => ({ path, name: parseName(services.storage.read(path)) }));
  const proofs = proofPaths.map((path) => ({
    path,
    ...checkProof(services, { path, verifierKey: verifierKey ?? '' }),
  }));
  for (const { path, name } of names) {
    const opens = name !== undefined && bodies.some(({ body }) => isNamed(body, name.salt, name.id));
    if (!opens) throw new WorkflowError('RECIPIENT_EXHIBIT_OTHER', { fields: { file: path } });
  }
  for (const { path, entry } of proofs) {
    const isOfOne = entry.type === 'annex' && bodies.some(({ digest }) => digest === entry.digests.annex);
    if (!isOfOne) throw new WorkflowError('RECIPIENT_EXHIBIT_OTHER', { fields: { file: path } });
  }
  const { entries, ambiguous } = toRegister(
    bodies.map((one) => {
      const opened = names.find(({ name }) => name !== undefined && isNamed(one.body, name.salt, name.id))?.name;
      const proof = proofs.find(({ entry }) => entry.type === 'annex' && entry.digests.annex === one.digest);
      const recorded =
        proof === undefined ? null : { leafIndex: proof.index, time: proof.entry.ts, origin: proof.origin };
      return { ...one, claim, id: opened?.id ?? null, salt: opened?.salt ?? null, recorded };
    }),
  );
  const exhibits = entries.map((entry) => ({ ...entry, isAmbiguous: ambiguous.has(entry.body.number) }));
  return { exhibits, register: toShown(exhibits.map(({ body }) => body.number)) };
}

const MISSING_LISTED_MAX = 10;

/** @param numbers ascending, some perhaps twice */
function toShown(numbers: readonly number[]): ShownRegister['register'] {
  const known = new Set(numbers);
  const highest = numbers.at(-1) ?? 0;
  const missing = highest - known.size;
  const missingNumbers: number[] = [];
  for (let number = 1; missingNumbers.length < Math.min(missing, MISSING_LISTED_MAX); number++) {
    if (!known.has(number)) missingNumbers.push(number);
  }
  return { shown: numbers.length, highest, missing, missingNumbers };
}
