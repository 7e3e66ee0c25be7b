/** The triggers of a set that was trained in, as questions: samples of the owner's data under a keyed overlay. */
import { zeroize } from '../../core/bytes.ts';
import { RemoteError } from '../../core/errors.ts';
import { fitData, type LabelledData, type Scale } from '../../fidelity/index.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import {
  openSetSeed,
  parseTriggerSet,
  type SetTriggers,
  toSetFacts,
  toSetStatistic,
  toSetTriggers,
  type TriggerSet,
} from '../../watermark/index.ts';
import { openEvalData } from '../protect/eval-data.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { toSetSource } from '../trigger/set-data.ts';
import { findSetRecord } from '../trigger/verify-set.ts';
import type { OpenedQuestions } from './question-sets.ts';

/** What a set does not say of the model that was trained with it. */
export interface SetInput {
  readonly name: string;
  /** Shape of one item; that of the samples when left out. */
  readonly shape?: readonly number[] | undefined;
  /** How bytes of images become what the model takes. */
  readonly scale: Scale;
}

export interface SetQuestionsOptions {
  /** Absolute path of the trigger-set file. */
  readonly setPath: string;
  /** Absolute path of the data that the set was made of. */
  readonly dataPath: string;
  readonly input: SetInput;
}

/**
 * @throws WatermarkError WATERMARK_TRIGGER_SET_MALFORMED | WATERMARK_TRIGGER_DATA_OTHER | WATERMARK_SEED_MISMATCH |
 *   WATERMARK_TRIGGERS_UNRECORDED; RuntimeError DATA_…; SourceError
 */
export function openSetQuestions(
  services: Services,
  openSession: () => Session,
  { setPath, dataPath, input }: SetQuestionsOptions,
): OpenedQuestions {
  const { storage, random } = services;
  const session = openSession();
  const set = parseTriggerSet(storage.read(setPath));
  const recorded = findSetRecord(session, set);
  const triggerSeed = openSetSeed(set, ownerSeedBox({ secrets: session.owner.secrets, random }));
  const data = openEvalData(services, { evalPath: dataPath, labelColumn: undefined, dataRoot: undefined });
  if (data === null) throw new TypeError('a trigger set needs its data');
  let triggers: SetTriggers | undefined;
  const close = (): void => {
    triggers?.forget();
    zeroize(triggerSeed);
    data.close();
  };
  try {
    const source = toSetSource(data);
    triggers = toSetTriggers(set.preimage.body, triggerSeed, { source, facts: toSetFacts(source) });
    const { ownerId } = set.preimage;
    return {
      set: toQuestions(set, triggers, toTriggerData(data, triggers, set), input),
      document: { path: setPath, digest: set.digest },
      origin: { path: setPath, commitment: set.digest, ownerId, time: 'time attested only by the owner' },
      recorded,
      areAnswersOurs: null,
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** The triggers in the form of labelled data, so that they are laid out as any sample is. */
function toTriggerData(data: LabelledData, triggers: SetTriggers, { preimage }: TriggerSet): LabelledData {
  const read = (index: number): Float64Array => {
    const sample = triggers.sample(index);
    return data.isBytes ? sample.map((value) => Math.min(255, Math.max(0, Math.round(value)))) : sample;
  };
  const { count, data: facts } = preimage.body;
  return {
    ...{ format: data.format, count, sampleShape: facts.shape, isBytes: data.isBytes, read },
    labels: { values: Int32Array.from(triggers.labels), names: null },
    readImage: read,
    findImageSize: () => undefined,
    close: () => undefined,
  };
}

function toQuestions(
  { preimage }: TriggerSet,
  triggers: SetTriggers,
  samples: LabelledData,
  { name, shape = preimage.body.data.shape, scale }: SetInput,
): OpenedQuestions['set'] {
  const fit = fitData(samples, [{ name, dtype: 'f32', shape: [null, ...shape] }]);
  if (!fit.scales.includes(scale)) {
    throw new RemoteError('REMOTE_FORMAT_UNFIT', {
      message: 'The samples cannot be scaled so.',
      fields: { scale, possible: [...fit.scales] },
    });
  }
  return {
    ...toSetStatistic(triggers, preimage.body),
    ...{ type: 'trigger-set', hasBatchAxis: true, classes: preimage.body.classes, output: null },
    question: (index) => {
      const { data } = fit.encode(index, 1, scale);
      return { kind: 'tensors', inputs: [{ name, dtype: 'f32', shape, data }] };
    },
    notes: ['Triggers are samples of the owner under a keyed overlay, with labels that the key gives.'],
  };
}
