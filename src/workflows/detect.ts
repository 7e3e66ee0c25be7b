/** Reads the owner's mark in a suspect: every claim is one trial more, and the reading is recorded where it can be. */
import { type Alignment, type AlignOptions, alignSuspect } from '../align/index.ts';
import { toHex, zeroize } from '../core/bytes.ts';
import { ModelwardError } from '../core/errors.ts';
import type { Model } from '../model/types.ts';
import { ownerSeedBox } from '../sign/index.ts';
import { openOwnSeed } from '../watermark/claim.ts';
import { CLAIM_BITS, detectMark, type DetectResult, FLAG_BITS, type Verdict } from '../watermark/detect.ts';
import { toOriginalDigest } from '../watermark/digest.ts';
import { chooseClaims, type StoredClaim } from './claims.ts';
import { type CommitmentTimestamp, readRoots, toCommitmentTime } from './commitment-time.ts';
import { parseDisclosedSeed } from './disclose.ts';
import { openAnyModel, type OpenAnyOptions } from './open-model.ts';
import { openOriginals, type Originals } from './originals.ts';
import type { RecipientReport } from './recipients/identify.ts';
import { mergeUndone } from './recipients/merge.ts';
import { findRecipient } from './recipients/recipients-of.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';

export interface DetectOptions extends OpenAnyOptions {
  readonly claimPath?: string | undefined;
  /** Absolute path of the unmarked original; the place noted with the claim is tried without it. */
  readonly originalPath?: string | undefined;
  /** Absolute path of a disclosed seed: a judge reads with it, and needs no owner. Needs `claimPath`. */
  readonly seedPath?: string | undefined;
  /** Absolute path of root certificates (PEM) of time stamp authorities that are believed. */
  readonly tsaRootsPath?: string | undefined;
}

export interface DetectReport extends DetectResult {
  readonly claim: { readonly path: string; readonly commitment: string; readonly ownerId: string };
  /** Claims that were tried; each one more is a trial. */
  readonly claims: number;
  /**
   * aligned: the suspect was read against the original, too. not-needed: the order of the file settled it. absent: no
   * original was at hand, or none that has channels that can move; permuted copies cannot be read then.
   */
  readonly original: 'aligned' | 'not-needed' | 'absent';
  /** Whose copy it is; null when no copy was given to anybody, or a disclosed seed was read with. */
  readonly recipient: RecipientReport | null;
  /** What is known of the time of the commitment, in words. */
  readonly time: string;
  /** The verified time stamp over the commitment; null without one that holds. */
  readonly timestamp: CommitmentTimestamp | null;
  /** Index in the ledger, or null with `notRecorded` saying why. */
  readonly leafIndex: number | null;
  readonly notRecorded: string | null;
}

/**
 * @param openSession the owner of the home; not called when a disclosed seed reads a plain suspect
 * @throws WorkflowError CLAIM_NOT_FOUND | SEED_FILE_MALFORMED | SEED_OF_ANOTHER_CLAIM; FormatError | SourceError |
 *   SealError for the suspect; AlignError
 */
export async function detect(
  services: Services,
  openSession: () => Session,
  options: DetectOptions,
): Promise<DetectReport> {
  const claims = chooseClaims(services, options.claimPath);
  const roots = readRoots(services.storage, options.tsaRootsPath);
  const suspect = await openAnyModel(services, () => openSession().recorder, options);
  let originals: Originals | undefined;
  try {
    originals = openOriginals(services, { ...options, claims });
    const from = { suspect: suspect.model, originals, seedPath: options.seedPath, align: createAligner() };
    const readings = claims.map((stored) => readWith(services, openSession, stored, from));
    const best = readings.reduce((a, b) => (isBetter(b, a) ? b : a));
    const isJudge = options.seedPath !== undefined;
    const recipient = isJudge ? null : findRecipient(services, openSession, { ...from, readings });
    const judged = mergeUndone(countClaims(best.result, claims.length), recipient, claims.length);
    const recorded = isJudge ? BY_JUDGE : await recordDetection(services, openSession(), suspect, judged);
    const time = toCommitmentTime(best.stored.claim, roots);
    const { preimage, digest } = best.stored.claim.commitment;
    return {
      ...judged,
      claim: { path: best.stored.path, commitment: digest, ownerId: preimage.ownerId },
      claims: claims.length,
      original: best.original,
      recipient,
      notes: [...judged.notes, ...toUnjudgedNotes(readings, best)],
      time: time.words,
      timestamp: time.timestamp,
      ...recorded,
    };
  } finally {
    originals?.close();
    suspect.model.close();
  }
}

const BY_JUDGE = { leafIndex: null, notRecorded: 'read with a disclosed seed' };

interface ClaimReading {
  readonly stored: StoredClaim;
  readonly result: DetectResult;
  readonly original: DetectReport['original'];
}

interface ReadFrom extends Pick<DetectOptions, 'seedPath'> {
  readonly suspect: Model;
  readonly originals: Originals;
  readonly align: (options: AlignOptions) => Alignment;
}

/** Mark and recipients are read in one alignment: it sees no key, and takes the most time. */
function createAligner(): (options: AlignOptions) => Alignment {
  const known: { readonly options: AlignOptions; readonly alignment: Alignment }[] = [];
  return (options) => {
    const found = known.find(
      (one) => one.options.topology === options.topology && one.options.original === options.original,
    );
    if (found !== undefined) return found.alignment;
    const alignment = alignSuspect(options);
    known.push({ options, alignment });
    return alignment;
  };
}

function readWith(services: Services, openSession: () => Session, stored: StoredClaim, from: ReadFrom): ClaimReading {
  const { progress } = services;
  const { suspect, originals, align } = from;
  const ownSeed = readSeed(services, openSession, stored, from);
  const offer = originals.offer(stored);
  try {
    const base = { suspect, claim: stored.claim, ownSeed, align, progress };
    const result = detectMark(offer === undefined ? base : { ...base, original: offer });
    const isAligned = result.schemes.some(({ aligned }) => aligned);
    const unread = offer !== undefined && result.settled ? 'not-needed' : 'absent';
    return { stored, result, original: isAligned ? 'aligned' : unread };
  } finally {
    zeroize(ownSeed);
  }
}

function readSeed(
  services: Services,
  openSession: () => Session,
  { claim }: StoredClaim,
  { seedPath }: Pick<DetectOptions, 'seedPath'>,
): Uint8Array {
  if (seedPath !== undefined)
    return parseDisclosedSeed(services.storage.read(seedPath), claim.commitment.digest, 'own');
  return openOwnSeed(claim, ownerSeedBox({ secrets: openSession().owner.secrets, random: services.random }));
}

/** Each claim is one more key that was tried: log2(claims) bits are taken off. */
function countClaims(result: DetectResult, claims: number): DetectResult {
  if (claims === 1) return result;
  const price = Math.log2(claims);
  const evidenceBits = Math.max(0, result.evidenceBits - price);
  const weaker: Verdict = result.verdict === 'inconclusive' ? 'inconclusive' : 'none';
  const verdict = evidenceBits >= CLAIM_BITS ? 'claim' : evidenceBits >= FLAG_BITS ? 'flag' : weaker;
  const schemes = result.schemes.map((scheme) => ({
    ...scheme,
    evidenceBits: Math.max(0, scheme.evidenceBits - price),
  }));
  return { ...result, verdict, evidenceBits, trials: result.trials * claims, schemes };
}

/** The strongest evidence; where none is stronger, a reading that could judge comes before one that could not. */
function isBetter(a: ClaimReading, b: ClaimReading): boolean {
  if (a.result.evidenceBits !== b.result.evidenceBits) return a.result.evidenceBits > b.result.evidenceBits;
  return a.result.verdict !== 'inconclusive' && b.result.verdict === 'inconclusive';
}

/** Says how many other claims could not be judged: "none" is not said of them. */
function toUnjudgedNotes(readings: readonly ClaimReading[], best: ClaimReading): string[] {
  const unjudged = readings.filter((one) => one !== best && one.result.verdict === 'inconclusive').length;
  if (unjudged === 0) return [];
  return [
    `${unjudged} of ${readings.length} claims could not be judged on this suspect; name one with --claim to see why`,
  ];
}

async function recordDetection(
  { progress }: Services,
  session: Session,
  suspect: { readonly model: Model; readonly name: string },
  result: DetectResult,
): Promise<Pick<DetectReport, 'leafIndex' | 'notRecorded'>> {
  try {
    const recorder = session.recorder;
    const receipt = await recorder.record([
      {
        type: 'detect',
        actor: recorder.actor,
        subject: suspect.name,
        digests: { suspect: toHex(toOriginalDigest(suspect.model, progress)) },
        detail: { verdict: result.verdict, evidenceBits: result.evidenceBits, trials: result.trials },
      },
    ]);
    return { leafIndex: receipt.firstIndex, notRecorded: null };
  } catch (error) {
    // Reading a suspect must work where the ledger cannot be written; the report says so.
    if (error instanceof ModelwardError) return { leafIndex: null, notRecorded: error.code };
    throw error;
  }
}
