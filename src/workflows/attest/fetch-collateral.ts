/** Collateral of evidence, fetched from its vendor or from a service that keeps copies, checked, and kept as one folder. */
import { basename, join } from 'node:path';
import {
  assertNotOlder,
  COLLATERAL_FILE_NAMES,
  type CollateralAnswers,
  type CollateralDate,
  listCollateralDates,
  planCollateral,
  readCollateral,
  toVerifiedCollateral,
  type TrustAnchors,
} from '../../attest/index.ts';
import type { CollateralAnswer, CollateralLink, CollateralRequest } from '../../attest/ports.ts';
import { AttestError, SourceError } from '../../core/errors.ts';
import { stageFolder } from '../../source/index.ts';
import type { Services } from '../services.ts';
import { openEvidence, readCollateralFiles } from './judge-evidence.ts';

export interface FetchCollateralOptions {
  /** Absolute path of the evidence. */
  readonly path: string;
  /** Absolute path of the folder to make. */
  readonly out: string;
  readonly force: boolean;
  readonly link: CollateralLink;
  /** Other roots than the pinned ones, for tests. */
  readonly anchors?: TrustAnchors;
}

export interface FetchedCollateral {
  readonly kind: 'snp' | 'dcap';
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
  /** Addresses at the vendor of what was fetched. */
  readonly fetched: readonly string[];
  readonly validUntilMs: number;
}

/**
 * Nothing is written unless all of it is signed under a pinned root, current and of this platform; then the folder appears, or is
 * replaced, as a whole. It is replaced by nothing older, and only when it holds nothing else.
 * @throws AttestError ATTEST_COLLATERAL_UNKNOWN | ATTEST_COLLATERAL_OLDER | ATTEST_SERVICE_* and as `toVerifiedCollateral`;
 *   ATTEST_EVIDENCE_UNKNOWN for evidence that needs none; SourceError WRITE_EXISTS
 */
export async function fetchCollateral(services: Services, options: FetchCollateralOptions): Promise<FetchedCollateral> {
  const { path, out, force, link, anchors } = options;
  const evidence = openEvidence(services, { path, collateralPaths: [] });
  const { kind } = evidence;
  if (kind !== 'snp' && kind !== 'dcap') throw new AttestError('ATTEST_EVIDENCE_UNKNOWN', { fields: { kind } });
  const kept = force ? listKept(services, out) : [];
  const { answers, fetched } = await fetchFirst(link, planCollateral(evidence));
  const nowMs = services.clock.nowMs();
  const { files, validUntilMs } = toVerifiedCollateral(evidence, answers, {
    nowMs,
    ...(anchors === undefined ? {} : { anchors }),
  });
  assertNotOlder(listCollateralDates(readCollateral(files.map(({ bytes }) => bytes))), kept);
  const staged = stageFolder({ storage: services.storage, target: out, mode: 0o755, replace: force });
  try {
    for (const { name, bytes } of files) {
      const file = staged.file(name, 0o644);
      file.write(bytes);
      file.close();
    }
    staged.commit();
  } catch (error) {
    staged.abort();
    throw error;
  }
  const written = files.map(({ name, bytes }) => ({ path: join(out, name), sizeBytes: bytes.length }));
  return { kind, files: written, fetched, validUntilMs };
}

/**
 * [] for no folder, and for one that cannot be read.
 * @throws SourceError WRITE_EXISTS for a folder with other files: they would be gone with it
 */
function listKept(services: Services, out: string): readonly CollateralDate[] {
  if (!services.storage.exists(out)) return [];
  const other = services.storage.list(out).find((name) => !COLLATERAL_FILE_NAMES.has(name));
  if (other !== undefined) {
    const message = 'The folder holds other files than collateral, and is not replaced.';
    throw new SourceError('WRITE_EXISTS', { message, fields: { file: basename(out), other } });
  }
  try {
    return listCollateralDates(readCollateralFiles(services, [out]));
  } catch (error) {
    if (error instanceof AttestError) return [];
    throw error;
  }
}

/** The first set of requests whose first one finds something; each part is then a must. */
async function fetchFirst(
  link: CollateralLink,
  plans: readonly (readonly CollateralRequest[])[],
): Promise<{ readonly answers: CollateralAnswers; readonly fetched: readonly string[] }> {
  for (const plan of plans) {
    const answers = new Map<CollateralRequest['part'], CollateralAnswer>();
    for (const request of plan) {
      const answer = await link.get(request);
      if (answer === null && answers.size === 0) break;
      if (answer === null) throw new AttestError('ATTEST_COLLATERAL_UNKNOWN', { fields: { part: request.part } });
      answers.set(request.part, answer);
    }
    if (answers.size > 0) return { answers, fetched: plan.map(({ address }) => address) };
  }
  throw new AttestError('ATTEST_COLLATERAL_UNKNOWN', { fields: { part: plans.at(0)?.at(0)?.part ?? null } });
}
