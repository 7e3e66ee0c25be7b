/** fsck of the past: checkpoints that were kept elsewhere, and those that witnesses cosigned, begin this history. */
import { toBase64 } from '../core/bytes.ts';
import { LedgerError } from '../core/errors.ts';
import { isConsistencyProven, toConsistencyProof } from '../core/merkle.ts';
import type { Storage } from '../source/ports.ts';
import { type TreeHead, verifyCheckpoint } from './checkpoint.ts';
import { findCosigned, listCosignedSizes } from './cosigned.ts';
import { type Cosignature, verifyCosignatures, type WitnessPolicy } from './cosignature.ts';
import { findOr, type FsckFinding, toStray } from './fsck-finding.ts';
import { listFolder } from './fsck-place.ts';
import { COSIGNED_FOLDER } from './layout.ts';
import type { VerifierKey } from './note-key.ts';
import { TileReader } from './tile-reader.ts';

interface Past {
  readonly storage: Storage;
  readonly folder: string;
  readonly key: VerifierKey;
  readonly head: TreeHead;
}

/** The newest cosigned checkpoint that counts, and who cosigned it. */
export interface CosignedHead {
  readonly size: number;
  readonly cosignatures: readonly Cosignature[];
}

/**
 * Every checkpoint that was seen before must be a beginning of this history.
 * @throws LedgerError LEDGER_NOTE_MALFORMED | LEDGER_NOTE_UNTRUSTED | LEDGER_CHECKPOINT_MALFORMED for one that this ledger
 *   did not sign
 */
export function findHistoryFindings(past: Past, knownCheckpoints: readonly string[]): FsckFinding[] {
  const { node } = new TileReader({ ...past, size: past.head.size });
  return knownCheckpoints.flatMap((text) => findBeginningFindings(past, verifyCheckpoint(text, past.key), node));
}

/**
 * Checks every cosigned checkpoint that the folder keeps.
 * @param policy witnesses whose cosignatures are verified, and how many of them must have cosigned one checkpoint
 */
export function checkCosigned(
  past: Past,
  policy: WitnessPolicy,
): { readonly findings: readonly FsckFinding[]; readonly newest: CosignedHead | null } {
  const { node } = new TileReader({ ...past, size: past.head.size });
  const findings = findStrays(past);
  let newest: CosignedHead | null = null;
  for (const size of listCosignedSizes(past)) {
    const tile = `${COSIGNED_FOLDER}/${size}`;
    const head = findHead(past, size);
    if (head === undefined) {
      findings.push({
        code: 'cosigned-unreadable',
        tile,
        expected: `signed by ${past.key.name}`,
        actual: 'unreadable',
      });
      continue;
    }
    findings.push(...findBeginningFindings(past, head, node).map((finding) => ({ ...finding, tile })));
    const cosignatures = findCosignatures(past, size, policy);
    if (cosignatures === undefined) {
      findings.push({ code: 'cosignature-invalid', tile, expected: 'cosignatures that hold', actual: 'one does not' });
    } else if (cosignatures.length > 0 && cosignatures.length >= policy.required) {
      newest = { size, cosignatures };
    }
  }
  if (policy.required > 0 && newest === null) {
    const expected = `a checkpoint with ${policy.required} of ${policy.keys.length} cosignatures`;
    findings.push({ code: 'witnesses-missing', expected, actual: 'none' });
  }
  return { findings, newest };
}

function findBeginningFindings({ head }: Past, known: TreeHead, node: TileReader['node']): FsckFinding[] {
  const sizes = { first: known.size, second: head.size };
  const proof = known.size <= head.size ? findOr('LEDGER_CORRUPT', () => toConsistencyProof({ ...sizes, node })) : [];
  const evidence = { ...sizes, firstRoot: known.root, secondRoot: head.root, proof: proof ?? [] };
  if (isConsistencyProven(evidence)) return [];
  const expected = `size ${known.size}, root ${toBase64(known.root)}`;
  return [{ code: 'history-differs', expected, actual: `size ${head.size}, root ${toBase64(head.root)}` }];
}

function findHead(past: Past, size: number): TreeHead | undefined {
  try {
    const head = verifyCheckpoint(findCosigned(past, size) ?? '', past.key);
    return head.size === size ? head : undefined;
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}

function findCosignatures(past: Past, size: number, { keys }: WitnessPolicy): Cosignature[] | undefined {
  return findOr('LEDGER_COSIGNATURE_INVALID', () =>
    verifyCosignatures(findCosigned(past, size) ?? '', { keys, required: 0 }),
  );
}

/** What lies among the cosigned checkpoints and is none; a crash may leave a staged one. */
function findStrays(past: Past): FsckFinding[] {
  const names = listFolder({ ...past, size: past.head.size }, COSIGNED_FOLDER);
  const strays = names.filter((name) => !/^(0|[1-9]\d{0,15})(\.tmp)?$/.test(name));
  return strays.map((name) => toStray(`${COSIGNED_FOLDER}/${name}`));
}
