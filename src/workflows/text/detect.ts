/** Whose model wrote this? Reads texts with the text marks of the claims of a home, or with a disclosed seed. */
import { findHexBytes, zeroize } from '../../core/bytes.ts';
import { WatermarkError, WorkflowError } from '../../core/errors.ts';
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
  type TextParams,
  type TextReading,
} from '../../watermark/text/index.ts';
import { type AnnexRecord, findAnnexRecord, listAnnexes, readAnnex, type StoredAnnex } from '../annexes.ts';
import { chooseClaims, type StoredClaim } from '../claims.ts';
import { parseDisclosedSeed } from '../disclose.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { readSequences, readWordList, type Sequences, type WordList } from './tokens.ts';

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
  /** When the ledger of this home took the annex in; null when it did not, or when only a disclosed seed was at hand. */
  readonly recorded: AnnexRecord | null;
  /** What a reader of the verdict should know. */
  readonly notes: readonly string[];
}

/**
 * The strongest reading over all marks that the words fit, each of which is one trial; the earliest of equals.
 * @throws WorkflowError CLAIM_NOT_FOUND | TEXT_MARK_NOT_FOUND | SEED_…; WatermarkError WATERMARK_TEXT_MALFORMED |
 *   WATERMARK_TEXT_WORDS | WATERMARK_ANNEX_… | WATERMARK_SEED_MISMATCH; SignError; SourceError
 */
export function detectText(services: Services, openSession: () => Session, options: DetectTextOptions): TextReport {
  const words = options.wordsPath === null ? null : readWordList(options.wordsPath);
  const texts = options.texts.flatMap((path) => readSequences(path, words));
  const all = chooseClaims(services, options.claimPath).flatMap((stored) =>
    findAnnexes(services, stored, options.annexPath).map((annex) => {
      return { stored, annex, params: toAnnexBody(annex.annex, textAnnexSchema).params };
    }),
  );
  if (all.length === 0) throw new WorkflowError('TEXT_MARK_NOT_FOUND');
  const marks = all.filter(({ params }) => words === null || words.digest === params.wordsDigest);
  if (marks.length === 0) {
    throw new WatermarkError('WATERMARK_TEXT_WORDS', { fields: { given: words?.digest ?? null } });
  }
  // Marks that the words do not fit are paid for as well: whoever passes words chooses among them.
  const trials = all.length + options.furtherTrials;
  const reports = marks.map(({ stored, annex, params }): TextReport => {
    const reading = readWith(services, openSession, { stored, params, texts, trials, seedPath: options.seedPath });
    const { preimage, digest } = stored.claim.commitment;
    const recorded = options.seedPath === undefined ? findRecord(openSession(), annex) : null;
    return {
      verdict: toVerdict(reading.evidenceBits),
      ...reading,
      claim: { path: stored.path, commitment: digest, ownerId: preimage.ownerId },
      annex: { path: annex.path, digest: annex.digest },
      marks: marks.length,
      recorded,
      notes: toNotes(words, recorded),
    };
  });
  return reports.reduce((a, b) => (isStronger(b, a) ? b : a));
}

/** Of marks that read the same, the one that the ledger took in first. */
function isStronger(a: TextReport, b: TextReport): boolean {
  if (a.evidenceBits !== b.evidenceBits) return a.evidenceBits > b.evidenceBits;
  return (a.recorded?.leafIndex ?? Infinity) < (b.recorded?.leafIndex ?? Infinity);
}

function findRecord({ recorder }: Session, { digest }: StoredAnnex): AnnexRecord | null {
  return findAnnexRecord(recorder.reader(), digest) ?? null;
}

function toNotes(words: WordList | null, recorded: AnnexRecord | null): string[] {
  return [
    ...(words === null
      ? ['token ids were taken as given: whoever judges makes them from the text with the model’s own tokenizer']
      : []),
    ...(recorded === null ? ['nothing here says that the annex was there before the texts'] : []),
  ];
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
    readonly params: TextParams;
    readonly texts: Sequences;
    readonly trials: number;
    readonly seedPath: string | undefined;
  },
): TextReading {
  const { claim } = given.stored;
  const seed = openApiSeed(services, openSession, given.stored, given.seedPath);
  const digest = findHexBytes(claim.commitment.preimage.originalDigest) ?? new Uint8Array(0);
  const key = deriveTextKey(seed, digest);
  zeroize(seed);
  try {
    return readText(given.texts, createGreenList(key, given.params), given.trials);
  } finally {
    zeroize(key);
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
