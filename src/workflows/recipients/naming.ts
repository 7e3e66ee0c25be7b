/** Names the recipient whose copy a suspect comes from, with keys in hand: an owner's, or those of a disclosed seed. */
import type { Alignment, AlignOptions } from '../../align/index.ts';
import type { Model } from '../../model/types.ts';
import { listMarkedLayers } from '../../watermark/claim.ts';
import type { DetectResult } from '../../watermark/detect.ts';
import { toLikeness, toSuspectOrder } from '../../watermark/order/index.ts';
import {
  type CodedRecipients,
  type Identification,
  identifyRecipient,
  measurePayload,
  measurePayloadInOrder,
  type RecipientKeys,
  type RecipientVerdict,
  type SuspectPayload,
  type SuspectReadings,
  TAG_BITS,
} from '../../watermark/recipient/index.ts';
import type { Reference } from '../../watermark/reference.ts';
import type { Services } from '../services.ts';
import type { RecipientGroup } from './groups.ts';

/** What `detect` says of recipients. */
export interface RecipientReport {
  /**
   * ambiguous: the evidence is for a number that stands for two copies, so nobody is named. unreadable: nobody was found, and
   * a register could not be read.
   */
  readonly verdict: RecipientVerdict | 'ambiguous' | 'unreadable';
  /** Number in the register; null when nobody is named. */
  readonly number: number | null;
  /** The ID that this home knows for the number. */
  readonly id: string | null;
  /** Of the code that says most, after all trials. */
  readonly evidenceBits: number;
  readonly trials: number;
  /** Size of the register that was searched. */
  readonly recipients: number;
  /** Digest of the copy that the recipient was given, hex. */
  readonly releasedDigest: string | null;
  /**
   * recipient: the neurons lie in the named recipient's order. original: as in the original. reshuffled: in another order
   * than any that was given away, though the mark is there. unread: not aligned, or nothing to judge by.
   */
  readonly orderState: 'recipient' | 'original' | 'reshuffled' | 'unread';
  readonly order: { readonly agreements: number; readonly channels: number; readonly evidenceBits: number } | null;
  readonly payload: {
    readonly decoded: boolean;
    readonly tagBits: number;
    readonly tagErrors: number;
    readonly evidenceBits: number;
  } | null;
  /** The own mark with each recipient's order undone in turn; null with the original at hand, or where that was not done. */
  readonly undone: { readonly number: number; readonly own: DetectResult; readonly evidenceBits: number } | null;
  readonly notes: readonly string[];
}

export interface NamingOptions {
  readonly suspect: Model;
  readonly group: RecipientGroup;
  /** Groups that are searched; each is one more trial. */
  readonly groups: number;
  /** What the own mark of the group's claim showed. */
  readonly own: DetectResult | null;
  /** Undefined when the original is not at hand. */
  readonly reference: Reference | undefined;
  readonly align: (options: AlignOptions) => Alignment;
}

/**
 * @param recipients whose codes are looked for
 * @throws FormatError | SourceError from the readers
 */
export function nameIn(
  services: Pick<Services, 'progress'>,
  options: NamingOptions,
  keys: RecipientKeys,
  recipients: CodedRecipients,
): RecipientReport {
  const readings = readSuspect(services, options, keys);
  const found = identifyRecipient(readings, keys, recipients, options.groups);
  return toReport(options, found, readings);
}

/** The number, and what the register knows of it. */
export function toNamed({ entries }: RecipientGroup, number: number | null) {
  const entry = entries.find(({ body }) => body.number === number);
  return { number, id: entry?.id ?? null, releasedDigest: entry?.body.releasedDigest ?? null };
}

/** Two who hold one number hold the same order, identifier and tag: naming either could name the innocent. */
export function withoutAmbiguous(report: RecipientReport, { entries }: RecipientGroup): RecipientReport {
  const isAmbiguous = entries.some(({ body, isAmbiguous }) => isAmbiguous && body.number === report.number);
  if (!isAmbiguous) return report;
  const note = `number ${report.number} was given to more than one recipient (RECIPIENT_NUMBER_TAKEN): neither is named`;
  const nobody = { verdict: 'ambiguous', number: null, id: null, releasedDigest: null } as const;
  return { ...report, ...nobody, notes: [...report.notes, note] };
}

interface GroupReadings extends SuspectReadings {
  /** Cosine of the aligned weights with those of the original; 0 where nothing was aligned. */
  readonly likeness: number;
  /** Share of the marked weights that the suspect has, 0..1; null where nothing was aligned. */
  readonly coverage: number | null;
}

function readSuspect(
  { progress }: Pick<Services, 'progress'>,
  { suspect, group, reference, align }: NamingOptions,
  keys: RecipientKeys,
): GroupReadings {
  const { claim } = group.claim;
  const layers = listMarkedLayers(claim);
  const hasPayload = group.entries.some(({ body }) => body.payload !== null);
  const measured = hasPayload ? [measurePayloadInOrder(layers, keys.positions, suspect)] : [];
  const isSeen = ({ coverage }: SuspectPayload): boolean => coverage > 0;
  if (reference === undefined) {
    return { order: null, payloads: measured.filter(isSeen), likeness: 0, coverage: null };
  }
  const alignment = align({ topology: claim.topology, original: reference.model, suspect, progress });
  const views = layers.map(({ name }) => alignment.layers.get(name) ?? null);
  const coded = group.entries[0].body.order?.spaces ?? null;
  return {
    order: coded === null ? null : toSuspectOrder(coded, alignment.channelMaps),
    payloads: (hasPayload ? [...measured, measurePayload(layers, keys.positions, views)] : []).filter(isSeen),
    likeness: toLikeness(layers, reference.model, alignment.layers),
    coverage: toCoverage(layers, views),
  };
}

function toCoverage(layers: ReturnType<typeof listMarkedLayers>, views: readonly unknown[]): number {
  const sizes = layers.map(({ shape }) => shape.reduce((product, extent) => product * extent, 1));
  const seen = sizes.reduce((sum, size, at) => sum + (views[at] === null ? 0 : size), 0);
  return (
    seen /
    Math.max(
      1,
      sizes.reduce((sum, size) => sum + size, 0),
    )
  );
}

/** As for the own mark: of a model that lacks half of the marked weights, nobody can say that it is no copy. */
const COVERAGE_MIN = 0.5;

function toVerdict({ verdict }: Identification, { coverage }: GroupReadings): RecipientVerdict {
  return verdict === 'none' && coverage !== null && coverage < COVERAGE_MIN ? 'inconclusive' : verdict;
}

/** Of the channels that lie in a known order, so many make that order the suspect's. */
const ORDER_SHARE_MIN = 0.5;

function toOrderState(
  { own }: NamingOptions,
  found: Identification,
  { order, likeness }: GroupReadings,
): RecipientReport['orderState'] {
  if (order === null || order.found === 0) return 'unread';
  const byOrder = found.order;
  if (byOrder !== null && byOrder.number === found.number && byOrder.evidenceBits >= ORDER_BITS_MIN) return 'recipient';
  const isOurs = own?.verdict === 'claim' || own?.verdict === 'flag' || likeness >= LIKENESS_MIN;
  if (!isOurs) return 'unread';
  const inPlace = order.spaces.reduce(
    (sum, { ranks }) => sum + ranks.reduce((count, rank, channel) => count + Number(rank === channel), 0),
    0,
  );
  return inPlace >= ORDER_SHARE_MIN * order.channels ? 'original' : 'reshuffled';
}

/** Cosine from which a suspect is taken for a copy: independent models stay below it (docs/lab.md). */
const LIKENESS_MIN = 0.5;

/** Evidence from which an order is called a recipient's. */
const ORDER_BITS_MIN = 64;

function toReport(options: NamingOptions, found: Identification, readings: GroupReadings): RecipientReport {
  const { group, reference } = options;
  const orderState = toOrderState(options, found, readings);
  const verdict = toVerdict(found, readings);
  return {
    verdict,
    ...toNamed(group, found.number),
    evidenceBits: found.evidenceBits,
    trials: found.trials,
    recipients: group.entries.length,
    orderState,
    order:
      found.order === null
        ? null
        : {
            agreements: found.order.agreements,
            channels: found.order.channels,
            evidenceBits: found.order.evidenceBits,
          },
    payload:
      found.payload === null
        ? null
        : {
            decoded: found.payload.isDecoded,
            tagBits: TAG_BITS,
            tagErrors: found.payload.tagErrors,
            evidenceBits: found.payload.evidenceBits,
          },
    undone: null,
    notes: toNotes(reference !== undefined, orderState, verdict),
  };
}

function toNotes(hasReference: boolean, state: RecipientReport['orderState'], verdict: RecipientVerdict): string[] {
  return [
    ...(verdict === 'inconclusive'
      ? ['cannot tell, because too few weights of the suspect can be laid beside those of the copies']
      : []),
    ...(hasReference
      ? []
      : ['the order of neurons is read against the original, which is not at hand (--original FILE)']),
    ...(state === 'reshuffled'
      ? ['the neurons lie in an order that was given to nobody: somebody moved them, which is tampering']
      : []),
    ...(state === 'original'
      ? ["the neurons lie as in the original: it is no recipient's copy, or somebody put them back"]
      : []),
  ];
}
