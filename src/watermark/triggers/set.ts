/** A trigger set for training: committed to before there is a model (docs/spec/triggers.md §8). */
import { z } from 'zod';
import { findHexBytes, isEqualConstantTime, toHex, utf8, zeroize } from '../../core/bytes.ts';
import { type Json, toCanonicalJson, toCanonicalJsonBytes } from '../../core/canonical-json.ts';
import { WatermarkError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { TRIGGER_LIMITS } from '../../core/limits/triggers.ts';
import { toSeedCommitment } from '../commitment.ts';
import type { SeedBox } from '../ports.ts';
import type { QuestionSet } from '../remote/questions.ts';
import { deriveTriggerKeys, toTriggerLabels } from './keys.ts';
import { makeSetSample, type SetFacts, type SetSource } from './set-samples.ts';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const json: z.ZodType<Json> = z.json();

const bodySchema = z.strictObject({
  v: z.literal(1),
  scheme: z.literal('overlay/v2'),
  data: z.strictObject({
    digest: hex32,
    count: z.number().int().positive().max(TRIGGER_LIMITS.setSamplesMax),
    shape: z.array(z.number().int().positive().max(TRIGGER_LIMITS.inputElementsMax)).max(TRIGGER_LIMITS.rankMax),
    low: z.number(),
    high: z.number(),
  }),
  classes: z.number().int().min(2).max(TRIGGER_LIMITS.classesMax),
  count: z.number().int().positive().max(TRIGGER_LIMITS.countMax),
  strength: z.number().positive().max(1),
});

const preimageSchema = z.strictObject({
  v: z.literal(1),
  ownerKey: z.string().min(1).max(10_000),
  ownerId: z.string().min(1).max(1000),
  /** Commitment of the claim whose trigger seed is used; null for a seed of its own. */
  claim: hex32.nullable(),
  /** SHA-256("wmc/v1/trigger" ‖ S_trigger). */
  seed: hex32,
  body: bodySchema,
});

const fileSchema = z.strictObject({
  v: z.literal(1),
  kind: z.literal('modelward-trigger-set'),
  preimage: preimageSchema,
  digest: hex32,
  sealedSeed: json,
});

export type TriggerSet = z.infer<typeof fileSchema>;
export type TriggerSetBody = z.infer<typeof bodySchema>;

/** SHA-256 of the preimage in RFC 8785 form, hex: what the ledger records before training. */
function toSetDigest(preimage: TriggerSet['preimage']): string {
  return toHex(sha256(toCanonicalJsonBytes(preimage)));
}

function toSetAad(digest: string): Uint8Array {
  return utf8(`modelward/trigger-set/v1\0${digest}`);
}

export interface CreateSetOptions {
  readonly ownerKey: string;
  readonly ownerId: string;
  readonly claim: string | null;
  /** S_trigger, 32 bytes. */
  readonly triggerSeed: Uint8Array;
  readonly seedBox: SeedBox;
  readonly body: TriggerSetBody;
}

export function createTriggerSet(options: CreateSetOptions): TriggerSet {
  const { ownerKey, ownerId, claim, triggerSeed, seedBox, body } = options;
  const preimage = {
    v: 1,
    ownerKey,
    ownerId,
    claim,
    seed: toHex(toSeedCommitment('trigger', triggerSeed)),
    body,
  } as const;
  const digest = toSetDigest(preimage);
  const sealedSeed = seedBox.sealSeed(triggerSeed, toSetAad(digest));
  return { v: 1, kind: 'modelward-trigger-set', preimage, digest, sealedSeed };
}

export function encodeTriggerSet(set: TriggerSet): Uint8Array {
  return utf8(`${toCanonicalJson(set)}\n`);
}

/** @throws WatermarkError WATERMARK_TRIGGER_SET_MALFORMED */
export function parseTriggerSet(bytes: Uint8Array): TriggerSet {
  const malformed = (problem: string): WatermarkError =>
    new WatermarkError('WATERMARK_TRIGGER_SET_MALFORMED', { fields: { problem } });
  if (bytes.length > TRIGGER_LIMITS.setFileBytesMax) throw malformed('it is too large');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw malformed('it is not UTF-8 JSON');
  }
  const set = fileSchema.safeParse(value).data;
  if (set === undefined) throw malformed('it has other members');
  if (toSetDigest(set.preimage) !== set.digest) throw malformed('its digest is not that of its parts');
  const { count, data } = set.preimage.body;
  if (count > data.count) throw malformed('it has more triggers than samples');
  if (!(data.high > data.low)) throw malformed('the range of the values is empty');
  return set;
}

/**
 * S_trigger of a set; the caller zeroes it.
 * @throws the SeedBox's error; WatermarkError WATERMARK_SEED_MISMATCH when it is not the committed one
 */
export function openSetSeed(set: TriggerSet, seedBox: SeedBox): Uint8Array {
  const seed = seedBox.openSeed(set.sealedSeed, toSetAad(set.digest));
  const committed = findHexBytes(set.preimage.seed) ?? new Uint8Array(0);
  if (isEqualConstantTime(committed, toSeedCommitment('trigger', seed))) return seed;
  throw new WatermarkError('WATERMARK_SEED_MISMATCH', { fields: { purpose: 'trigger' } });
}

/** What is trained on: values and label of every trigger. */
export interface SetTriggers {
  readonly labels: Uint32Array;
  sample(index: number): Float64Array;
  /** Zeroes the keys; samples that are made afterwards are not those of the set. */
  forget(): void;
}

/**
 * Labels are drawn after everything else is fixed, the data included, as those of last-layer triggers.
 * @throws WatermarkError WATERMARK_TRIGGER_DATA_OTHER when the data is not that of the body
 */
export function toSetTriggers(
  body: TriggerSetBody,
  triggerSeed: Uint8Array,
  { source, facts }: { readonly source: SetSource; readonly facts: Pick<SetFacts, 'digest'> },
): SetTriggers {
  const digest = toHex(facts.digest);
  if (digest !== body.data.digest) {
    throw new WatermarkError('WATERMARK_TRIGGER_DATA_OTHER', {
      fields: { expected: body.data.digest, actual: digest },
    });
  }
  const keys = deriveTriggerKeys(triggerSeed, facts.digest);
  const { count, classes, strength, data } = body;
  const choice = sha256(toCanonicalJsonBytes(body));
  const given = { inputsKey: keys.inputs, source, low: data.low, high: data.high, strength };
  return {
    labels: toTriggerLabels(keys.labels, choice, { count, classes }),
    sample: (index) => makeSetSample(given, index),
    forget: () => {
      zeroize(keys.inputs);
      zeroize(keys.labels);
    },
  };
}

/** The part of a question set that judging needs. */
export function toSetStatistic(
  { labels }: SetTriggers,
  { count, classes }: TriggerSetBody,
): Pick<QuestionSet, 'count' | 'expected' | 'statistic'> {
  return {
    count,
    expected: (index) => labels[index],
    statistic: { kind: 'exact', chance: 1 / classes, log2Trials: 0, nulls: [] },
  };
}
