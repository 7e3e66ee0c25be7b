/** Whose model wrote this? Reads texts with the text marks of the claims of a home, or with a disclosed seed. */
import { findHexBytes, zeroize } from '../../core/bytes.ts';
import { WorkflowError } from '../../core/errors.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import { toAnnexBody } from '../../watermark/annex.ts';
import { openSubSeed } from '../../watermark/claim.ts';
import { verifyCommitment } from '../../watermark/commitment.ts';
import { CLAIM_BITS, FLAG_BITS, type Verdict } from '../../watermark/detect.ts';
import {
  createGreenList,
  deriveTextKey,
  readText,
  textAnnexSchema,
  type TextReading,
} from '../../watermark/text/index.ts';
import { listAnnexes, readAnnex, type StoredAnnex } from '../annexes.ts';
import { chooseClaims, type StoredClaim } from '../claims.ts';
import { parseDisclosedSeed } from '../disclose.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { readSequences, readWordList, type Sequences } from './tokens.ts';

export interface DetectTextOptions {
  /** Absolute paths of the texts; they are read as one. */
  readonly texts: readonly string[];
  /** Absolute path of the list of words; null when the texts are token ids. */
  readonly wordsPath: string | null;
  readonly claimPath?: string | undefined;
  /** Absolute path of an annex; without it, all of the claims' in this home. */
  readonly annexPath?: string | undefined;
  /** Absolute path of the disclosed seed of purpose api. */
  readonly seedPath?: string | undefined;
  /** Tries beside those of this call. */
  readonly furtherTrials: number;
}

export interface TextReport extends TextReading {
  readonly verdict: Exclude<Verdict, 'inconclusive'>;
  readonly claim: { readonly path: string; readonly commitment: string; readonly ownerId: string };
  readonly annex: { readonly path: string; readonly digest: string };
  /** Marks that were tried. */
  readonly marks: number;
}

/**
 * The strongest reading over all marks, each of which is one trial.
 * @throws WorkflowError CLAIM_NOT_FOUND | TEXT_MARK_NOT_FOUND | SEED_…; WatermarkError WATERMARK_TEXT_MALFORMED |
 *   WATERMARK_ANNEX_… | WATERMARK_SEED_MISMATCH; SignError; SourceError
 */
export function detectText(services: Services, openSession: () => Session, options: DetectTextOptions): TextReport {
  const words = options.wordsPath === null ? null : readWordList(options.wordsPath);
  const texts = options.texts.flatMap((path) => readSequences(path, words));
  const marks = chooseClaims(services, options.claimPath).flatMap((stored) =>
    findAnnexes(services, stored, options.annexPath).map((annex) => ({ stored, annex })),
  );
  if (marks.length === 0) throw new WorkflowError('TEXT_MARK_NOT_FOUND');
  const trials = marks.length + options.furtherTrials;
  const reports = marks.map(({ stored, annex }): TextReport => {
    const reading = readWith(services, openSession, { stored, annex, texts, trials, seedPath: options.seedPath });
    const { preimage, digest } = stored.claim.commitment;
    return {
      verdict: toVerdict(reading.evidenceBits),
      ...reading,
      claim: { path: stored.path, commitment: digest, ownerId: preimage.ownerId },
      annex: { path: annex.path, digest: annex.digest },
      marks: marks.length,
    };
  });
  return reports.reduce((a, b) => (b.evidenceBits > a.evidenceBits ? b : a));
}

function findAnnexes(services: Services, { claim }: StoredClaim, path: string | undefined): readonly StoredAnnex[] {
  return path === undefined
    ? listAnnexes(services, claim, 'text')
    : [readAnnex(services, { path, claim, type: 'text' })];
}

function readWith(
  services: Services,
  openSession: () => Session,
  given: {
    readonly stored: StoredClaim;
    readonly annex: StoredAnnex;
    readonly texts: Sequences;
    readonly trials: number;
    readonly seedPath: string | undefined;
  },
): TextReading {
  const { claim } = given.stored;
  const { params } = toAnnexBody(given.annex.annex, textAnnexSchema);
  const seed = openApiSeed(services, openSession, given.stored, given.seedPath);
  try {
    const digest = findHexBytes(claim.commitment.preimage.originalDigest) ?? new Uint8Array(0);
    return readText(given.texts, createGreenList(deriveTextKey(seed, digest), params), given.trials);
  } finally {
    zeroize(seed);
  }
}

function openApiSeed(
  services: Services,
  openSession: () => Session,
  { claim }: StoredClaim,
  seedPath: string | undefined,
): Uint8Array {
  if (seedPath === undefined) {
    const { secrets } = openSession().owner;
    return openSubSeed(claim, ownerSeedBox({ secrets, random: services.random }), 'api');
  }
  const subSeed = parseDisclosedSeed(services.storage.read(seedPath), claim.commitment.digest, 'api');
  verifyCommitment(claim.commitment, { purpose: 'api', subSeed });
  return subSeed;
}

function toVerdict(evidenceBits: number): TextReport['verdict'] {
  if (evidenceBits >= CLAIM_BITS) return 'claim';
  return evidenceBits >= FLAG_BITS ? 'flag' : 'none';
}
