/** Rows of the battery that `modelward attack` runs: every attack on model files that the rows of the mark do not have. */
import { openOptimizer, openWebRuntime } from '../../../src/adapters/runtime/index.ts';
import { readRuntimeModel } from '../../../src/fidelity/index.ts';
import {
  createTrainer,
  generateGlyphs,
  importNetwork,
  listTrials,
  type ModelName,
  openNetwork,
  range,
  RECIPES,
  toBatch,
  type Tools,
  type Trainer,
  type Trial,
} from '../../../src/lab/index.ts';
import type { Model } from '../../../src/model/types.ts';
import { openPlannedModel } from '../../../src/workflows/protect/virtual-model.ts';
import { getTestSet, round } from '../measure.ts';
import { detect, getSubject, type Subject } from '../subjects.ts';
import { type Figures, type Row, toRowId } from '../types.ts';
import { SUBJECT_SOURCES } from '../version.ts';

/** What is expected of an attack, said before it ran. */
export type Expectation = 'at least 128 bits' | 'at least 64 bits' | 'loss expected';

export interface PlannedAttack {
  readonly id: string;
  readonly strength: string;
  readonly expects: Expectation;
}

const CLAIM = 'at least 128 bits';
const FLAG = 'at least 64 bits';

const plan = (expects: Expectation, ...names: readonly string[]): PlannedAttack[] =>
  names.map((name) => {
    const [id = '', strength = ''] = name.split(' ');
    return { id, strength, expects };
  });

/** Without data or training. */
const FREE_ATTACKS: readonly PlannedAttack[] = [
  ...plan(CLAIM, 'prune-random 0.25', 'prune-rows 0.25', 'int8 channel', 'int6 tensor', 'int4 group'),
  ...plan(CLAIM, 'fp8 e4m3', 'fp8 e5m2', 'gguf q8_0', 'gguf q4_0', 'half fp16', 'half bf16', 'noise 0.3'),
  ...plan(
    CLAIM,
    'permute order',
    'permute sign',
    'permute all',
    'dummy-zero 0.25',
    'dummy-clique 0.25',
    'dummy-split 0.25',
  ),
  ...plan(CLAIM, 'convert safetensors', 'convert gguf', 'optimize basic', 'optimize extended', 'reset 1'),
  ...plan(FLAG, 'reset 2', 'shift 1.5', 'cut-channels 0.25', 'average 0.5'),
];

/** Of the MLP nothing would be left. */
const DEEP_ATTACKS: readonly PlannedAttack[] = plan(FLAG, 'reset 3');

/** With the thief's images, at the training rate. */
const TRAINED_ATTACKS: readonly PlannedAttack[] = [
  ...plan(
    CLAIM,
    'ftal 5',
    'ftll 5',
    'rtal 5',
    'rtll 10',
    'fine-prune 10',
    'fine-prune-block 10',
    'quantize-tune 5',
    'merge 0.5',
  ),
  ...plan(FLAG, 'shift-tune 1.5'),
  ...plan('loss expected', 'regularize 0.1'),
];

/** Signs cannot be turned behind a rectifier or GELU without a batch normalisation before it. */
const WITHOUT_SIGNS = FREE_ATTACKS.filter(({ strength }) => strength !== 'sign');

/** What each model is attacked with; the larger ones without training. */
export const ATTACKED: Readonly<Record<ModelName, readonly PlannedAttack[]>> = {
  mlp: [...WITHOUT_SIGNS, ...TRAINED_ATTACKS],
  cnn: [...FREE_ATTACKS, ...DEEP_ATTACKS, ...TRAINED_ATTACKS],
  'cnn-large': [...FREE_ATTACKS, ...DEEP_ATTACKS],
  transformer: [...WITHOUT_SIGNS, ...DEEP_ATTACKS],
};

export const ATTACKED_SEED = '1';
/** Images of the test set on which attacked copies are measured. */
export const ATTACK_TEST_COUNT = 2000;

const SOURCES = [...SUBJECT_SOURCES, 'src/lab/attacks', 'src/lab/import', 'scripts/lab/rows/attack.ts'];

/** Share of right answers, run on WebAssembly, whose sums are the same on every processor; -1 for files without a graph. */
async function measure(suspect: Model): Promise<number> {
  if (suspect.graph === null) return -1;
  const session = await (await openWebRuntime()).load(readRuntimeModel(suspect));
  try {
    const samples = getTestSet(ATTACK_TEST_COUNT);
    const { data } = toBatch(samples, range(0, samples.count));
    const shape = [samples.count, 1, samples.side, samples.side];
    const [input] = session.inputs;
    const feed = { dtype: 'f32', shape, data: new Uint8Array(data.buffer) } as const;
    const [output] = (await session.run(new Map([[input.name, feed]]))).values();
    const scores = new Float32Array(output.data.slice().buffer);
    const { classes } = samples;
    const right = samples.labels.filter((label, item) => {
      const part = scores.subarray(item * classes, (item + 1) * classes);
      return part.indexOf(Math.max(...part)) === label;
    });
    return right.length / samples.count;
  } finally {
    await session.release();
  }
}

function toThief(subject: Subject, model: Model): Trainer {
  const { options, trainCount } = RECIPES[subject.name];
  const samples = generateGlyphs({ task: 'digits', stream: 'thief', count: trainCount / 4 });
  const { learningRate, batch } = options;
  const seed = `${subject.name}/${subject.seed}`;
  return createTrainer({ model, network: importNetwork(model), samples, transfer: null, learningRate, batch, seed });
}

async function computeAttack(name: ModelName, { attack, strength }: Trial): Promise<Figures> {
  const subject = await getSubject(name, ATTACKED_SEED);
  const model = openNetwork(subject.spec, subject.marked);
  const tools: Tools = {
    ...{ seed: `${name}/${ATTACKED_SEED}`, original: subject.originalModel, tuned: null },
    trainer: () => toThief(subject, model),
    optimize: async (from, level) => (await openOptimizer()).optimize(readRuntimeModel(from), level),
  };
  const { plan: rewrite, name: file } = await attack.run(model, strength, tools);
  const suspect = openPlannedModel(rewrite, [file]);
  const { verdict, evidenceBits, schemes } = detect(subject, suspect);
  // The whole-message reading that shows most: by name, or aligned to the original.
  const hard = schemes.filter((scheme) => scheme.name.endsWith('/hard'));
  const best = hard.reduce((a, b) => (b.evidenceBits > a.evidenceBits ? b : a));
  return {
    ...{ verdict, evidenceBits: round(evidenceBits, 1), bits: best.bits, bitErrors: best.bitErrors },
    accuracy: round(await measure(suspect), 4),
  };
}

/** The measurement of a row: "permute-all". */
export function toMeasurement({ id, strength }: PlannedAttack): string {
  return `${id}-${strength}`;
}

export function listAttackRows(): Row[] {
  return (Object.keys(ATTACKED) as ModelName[]).flatMap((model) =>
    ATTACKED[model].map((planned) => ({
      id: toRowId(model, ATTACKED_SEED, toMeasurement(planned)),
      sources: SOURCES,
      compute: () => {
        const [trial] = listTrials({ only: [planned.id], strengths: [planned.strength] });
        return computeAttack(model, trial);
      },
    })),
  );
}
