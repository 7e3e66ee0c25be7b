/** The proof that a rotation changed no sealed byte: digests before and after, held against what was recorded at sealing. */
import { basename } from 'node:path';
import { WorkflowError } from '../../core/errors.ts';
import { isSeal, readSealHeader } from '../../seal/index.ts';
import { openFileSource } from '../../source/index.ts';
import { toSourceSha256 } from '../digests.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';

export interface SealDigest {
  readonly path: string;
  readonly sealId: string;
  readonly sha256: string;
}

export interface SealProof {
  /** Base name. */
  readonly file: string;
  readonly sealId: string;
  readonly sha256: string;
  readonly isUnchanged: boolean;
  /** Whether it is the digest that the ledger took in at sealing; null when this ledger did not see it. */
  readonly isAsRecorded: boolean | null;
}

/** @throws WorkflowError NOT_SEALED; SourceError; SealError */
export function hashSeals({ progress }: Pick<Services, 'progress'>, paths: readonly string[]): SealDigest[] {
  return paths.map((path) => {
    const source = openFileSource(path);
    try {
      if (!isSeal(source)) throw new WorkflowError('NOT_SEALED', { fields: { file: source.label } });
      const { sealId } = readSealHeader(source).header;
      return { path, sealId, sha256: toSourceSha256(source, progress) };
    } finally {
      source.close();
    }
  });
}

export function compareSeals({ recorder }: Session, before: readonly SealDigest[], after: readonly SealDigest[]) {
  const recorded = new Map<string, string>();
  if (before.length > 0) {
    for (const entry of recorder.reader().entries()) {
      const { sealId } = entry.detail;
      if (entry.type === 'seal' && typeof sealId === 'string') recorded.set(sealId, entry.digests.sealed);
    }
  }
  return before.map(({ path, sealId, sha256 }, index): SealProof => {
    const seen = recorded.get(sealId);
    const isUnchanged = after[index].sha256 === sha256;
    return {
      file: basename(path),
      sealId,
      sha256,
      isUnchanged,
      isAsRecorded: seen === undefined ? null : seen === sha256,
    };
  });
}
