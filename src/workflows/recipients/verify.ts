/** Whose copy a suspect is, for a judge: with a claim, the annexes that are shown, and the disclosed recipient seed (docs/spec/recipient-code.md §9). */
import { alignSuspect } from '../../align/index.ts';
import { findHexBytes, toHex, zeroize } from '../../core/bytes.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import type { Model } from '../../model/types.ts';
import type { Claim } from '../../watermark/claim.ts';
import { verifyCommitment } from '../../watermark/commitment.ts';
import { toOriginalDigest } from '../../watermark/digest.ts';
import { type CodedSpace, planOrder } from '../../watermark/order/index.ts';
import { deriveRecipientKeys, type RecipientKeys } from '../../watermark/recipient/index.ts';
import type { Reference } from '../../watermark/reference.ts';
import { readClaim, type StoredClaim } from '../claims.ts';
import { type CommitmentTimestamp, readRoots, toCommitmentTime } from '../commitment-time.ts';
import { parseDisclosedSeed } from '../disclose.ts';
import { openAnyModel, type OpenAnyOptions } from '../open-model.ts';
import { openOriginals } from '../originals.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { type Exhibit, type ExhibitOptions, readExhibits, type ShownRegister } from './exhibits.ts';
import { nameIn, type RecipientReport, withoutAmbiguous } from './naming.ts';

export interface VerifyRecipientsOptions extends OpenAnyOptions, ExhibitOptions {
  /** Absolute path of the claim. */
  readonly claimPath: string;
  /** Absolute path of the unmarked original; without it only payloads are read. */
  readonly originalPath?: string | undefined;
  /** Absolute path of the disclosed seed of purpose "recipient". */
  readonly seedPath: string;
  /** Absolute path of root certificates (PEM) of time stamp authorities that are believed. */
  readonly tsaRootsPath?: string | undefined;
}

export interface RecipientFinding extends Omit<RecipientReport, 'verdict'> {
  /** unshown: the evidence is for a number whose annex was not shown, so nobody is named. */
  readonly verdict: RecipientReport['verdict'] | 'unshown';
  readonly claim: { readonly path: string; readonly commitment: string; readonly ownerId: string };
  readonly register: ShownRegister['register'];
  /** The annex of the number that is named; null when nobody is. */
  readonly annex: Pick<Exhibit, 'path' | 'digest' | 'recorded'> | null;
  /** True when the suspect is, weight by weight, the copy that was given away under this number. */
  readonly isReleasedCopy: boolean;
  /** What is known of the time of the commitment, in words. */
  readonly time: string;
  /** The verified time stamp over the commitment; null without one that holds. */
  readonly timestamp: CommitmentTimestamp | null;
}

/**
 * Reads nothing of the home and writes nothing, unless the suspect is sealed.
 * @param openSession not called for a plain suspect
 * @throws WorkflowError SEED_FILE_MALFORMED | SEED_OF_ANOTHER_CLAIM | SEED_OF_ANOTHER_PURPOSE | RECIPIENT_EXHIBIT_OTHER;
 *   WatermarkError WATERMARK_SEED_MISMATCH | WATERMARK_ANNEX_OF_ANOTHER_CLAIM | RECIPIENT_REGISTER_MALFORMED; SignError;
 *   LedgerError for a proof; AlignError ALIGN_REFERENCE_REFUSED; FormatError | SourceError
 */
export async function verifyRecipients(
  services: Services,
  openSession: () => Session,
  options: VerifyRecipientsOptions,
): Promise<RecipientFinding> {
  const stored = readClaim(services, options.claimPath);
  const shown = readExhibits(services, stored, options);
  const time = toCommitmentTime(stored.claim, readRoots(services.storage, options.tsaRootsPath));
  const keys = openKeys(services, stored.claim, options.seedPath);
  try {
    const suspect = await openAnyModel(services, () => openSession().recorder, options);
    try {
      const report = readAll(services, stored, { ...options, shown, keys, suspect: suspect.model });
      return { ...toFinding(services, stored, { report, shown, suspect: suspect.model }), ...toTime(time) };
    } finally {
      suspect.model.close();
    }
  } finally {
    zeroize(keys.order, keys.positions, keys.ids);
  }
}

function toTime({ words, timestamp }: ReturnType<typeof toCommitmentTime>) {
  return { time: words, timestamp };
}

function openKeys({ storage }: Services, { commitment }: Claim, seedPath: string): RecipientKeys {
  const seed = parseDisclosedSeed(storage.read(seedPath), commitment.digest, 'recipient');
  try {
    verifyCommitment(commitment, { purpose: 'recipient', subSeed: seed });
    return deriveRecipientKeys(seed, findHexBytes(commitment.preimage.originalDigest) ?? new Uint8Array(0));
  } finally {
    zeroize(seed);
  }
}

interface Reading {
  readonly suspect: Model;
  readonly shown: ShownRegister;
  readonly keys: RecipientKeys;
}

/** Every set of neurons that an annex names is one more reading, and so is every number up to the highest. */
function readAll(
  services: Services,
  stored: StoredClaim,
  { suspect, shown, keys, originalPath, dataRoot }: Reading & VerifyRecipientsOptions,
): RecipientReport {
  const originals = openOriginals(services, { claims: [stored], originalPath, dataRoot });
  try {
    const reference = originalPath === undefined ? undefined : originals.offer(stored)?.();
    const codings = listCodings(shown.exhibits);
    const choices = codings.reduce((most, coded) => Math.max(most, toChoices(coded, stored.claim, reference)), 1);
    const reports = codings.map((coded) => {
      const numbers = listNumbers(shown, coded);
      const priced = (REGISTER_PRICE * choices * codings.length * shown.register.highest) / numbers.length;
      const entries = toGroup(shown.exhibits, coded);
      return nameIn(
        services,
        { suspect, group: { claim: stored, entries }, groups: priced, own: null, reference, align: alignSuspect },
        keys,
        { order: coded === null ? [] : numbers, payload: numbers },
      );
    });
    const best = reports.reduce((a, b) => (b.evidenceBits > a.evidenceBits ? b : a));
    return choices === 1 ? best : { ...best, notes: [...best.notes, CHOSEN_NOTE] };
  } finally {
    originals.close();
  }
}

/**
 * Owners choose which annexes they show, and could show those alone that end with the number that fits. Over all such
 * registers Σ 1/N ≤ 1 + ln(2^32): paying for that and for N covers each of them.
 */
const REGISTER_PRICE = 24;

const CHOSEN_NOTE =
  'an annex codes other neurons than the original can move: every choice of neurons was counted as a trial';

/** The sets of neurons that the annexes name; null where they name none. */
function listCodings(exhibits: readonly Exhibit[]): (readonly CodedSpace[] | null)[] {
  const codings = new Map<string, readonly CodedSpace[]>();
  for (const { body } of exhibits) if (body.order !== null) codings.set(toKey(body.order.spaces), body.order.spaces);
  return codings.size === 0 ? [null] : [...codings.values()];
}

function toKey(coded: readonly CodedSpace[]): string {
  return coded.map(({ space, channels, blocks }) => `${space} ${channels} ${blocks}`).join(',');
}

/** How many sets of neurons could have been named: one where it is what the original dictates. */
function toChoices(coded: readonly CodedSpace[] | null, { topology }: Claim, reference: Reference | undefined): number {
  if (coded === null || reference === undefined) return 1;
  const expected = planOrder(reference.model, topology).coded;
  if (toKey(expected) === toKey(coded)) return 1;
  const bits = topology.spaces
    .filter(({ isPermutable }) => isPermutable)
    .reduce((sum, { channels }) => sum + Math.log2(1 + countDivisors(channels)), 0);
  return 2 ** Math.min(bits, CHOICE_BITS_MAX);
}

/** More than any evidence is worth, and still a number. */
const CHOICE_BITS_MAX = 900;

function countDivisors(channels: number): number {
  let count = 0;
  for (let one = 1; one * one <= channels; one++) {
    if (channels % one === 0) count += one * one === channels ? 1 : 2;
  }
  return count;
}

/** All numbers up to the highest, shown or not; where those are too many to try, the ones that were shown. */
function listNumbers({ exhibits, register }: ShownRegister, coded: readonly CodedSpace[] | null): number[] {
  const channels = (coded ?? []).reduce((sum, space) => sum + space.channels, TAG_COST);
  if (register.highest * channels <= WATERMARK_LIMITS.searchedChannelsMax) {
    return Array.from({ length: register.highest }, (_, index) => index + 1);
  }
  return [...new Set(exhibits.map(({ body }) => body.number))];
}

/** What a tag costs to try, in channels of an order. */
const TAG_COST = 256;

/** The entries of one coding first: what a group is read by. */
function toGroup(exhibits: readonly Exhibit[], coded: readonly CodedSpace[] | null): readonly Exhibit[] {
  const isOf = ({ body }: Exhibit): boolean =>
    body.order !== null && coded !== null && toKey(body.order.spaces) === toKey(coded);
  return [...exhibits.filter(isOf), ...exhibits.filter((one) => !isOf(one))];
}

function toFinding(
  { progress }: Services,
  { path, claim }: StoredClaim,
  { report: read, shown, suspect }: { report: RecipientReport; shown: ShownRegister; suspect: Model },
): Omit<RecipientFinding, 'time' | 'timestamp'> {
  const { exhibits, register } = shown;
  const report = withoutAmbiguous(read, { claim: { path, claim }, entries: exhibits });
  const exhibit = exhibits.find(({ body }) => body.number === report.number) ?? null;
  const isUnshown = report.number !== null && exhibit === null;
  const digest = exhibit === null ? null : toHex(toOriginalDigest(suspect, progress));
  return {
    ...report,
    ...(isUnshown ? { verdict: 'unshown', number: null } : {}),
    recipients: register.highest,
    trials: Math.ceil(report.trials),
    claim: { path, commitment: claim.commitment.digest, ownerId: claim.commitment.preimage.ownerId },
    register,
    annex: exhibit === null ? null : { path: exhibit.path, digest: exhibit.digest, recorded: exhibit.recorded },
    isReleasedCopy: digest !== null && digest === report.releasedDigest,
    notes: [...report.notes, ...toNotes(read.number, exhibit, shown)],
  };
}

function toNotes(number: number | null, exhibit: Exhibit | null, { register }: ShownRegister): string[] {
  const notes: string[] = [];
  if (number !== null && exhibit === null) {
    notes.push(`the evidence is for number ${number}, whose annex was not shown (--annex FILE): nobody is named`);
  }
  if (exhibit !== null && exhibit.id === null) {
    notes.push('no name was opened for the number (--name FILE)');
  }
  if (exhibit !== null && exhibit.recorded === null) {
    notes.push(
      'nothing shows that the number was this recipient’s before the suspect was known: the annex comes without a proof of its entry (--proof FILE --ledger-key TEXT)',
    );
  }
  if (register.missing > 0) {
    const some = register.missingNumbers.join(', ') + (register.missing > register.missingNumbers.length ? ', …' : '');
    notes.push(
      `of the numbers up to ${register.highest}, ${register.missing} were not shown (${some}); they were counted all the same`,
    );
  }
  return notes;
}
