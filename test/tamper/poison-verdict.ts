/** What `modelward diff --eval` says of a trained copy of a sample network, and how a whole draw comes out. */
import { join } from 'node:path';
import { findRuntime } from '../../src/adapters/runtime/index.ts';
import { openData, readRuntimeModel } from '../../src/fidelity/index.ts';
import { openModelPath } from '../../src/formats/index.ts';
import { createModelSpec, openNetwork, readWeights } from '../../src/lab/index.ts';
import { openFolder } from '../../src/source/index.ts';
import { compareBehaviour } from '../../src/tamper/diff/behaviour.ts';
import { diffModels } from '../../src/tamper/diff/diff-models.ts';
import { type Draw, DRIFTED, ORDINARY, POISONED, toPruned, toQuantised, trainDraw } from './poison-draws.ts';

const samples = join(import.meta.dirname, '../../samples');
/** An attack that works on half of its samples counts. */
const EFFECT = 0.5;

type Weights = ReadonlyMap<string, Float32Array>;

/** The whole comparison, as `modelward diff --eval` makes it. */
async function judge(name: Draw['name'], former: Weights, after: Weights): Promise<string> {
  const spec = createModelSpec(name);
  const [a, b] = [openNetwork(spec, former), openNetwork(spec, after)];
  const data = openData({ folder: openFolder(samples), names: ['eval.npz'], file: 'eval.npz' });
  const files = { before: readRuntimeModel(a), after: readRuntimeModel(b) };
  const weights = diffModels({ before: a, after: b });
  const runtime = await findRuntime();
  const behaviour = await compareBehaviour({ runtime, ...files, graph: a.graph, data, weights });
  data.close();
  if (behaviour.kind !== 'measured') throw new TypeError(behaviour.reason);
  return behaviour.hints.some(({ grade }) => grade === 'suspicious') ? 'suspicious' : weights.verdict.grade;
}

/** What was said of every model of a draw; attacks that do not work are left out. */
export interface DrawVerdicts {
  /** Kind of poisoning and what was said. */
  readonly poisoned: readonly (readonly [kind: string, said: string])[];
  /** Honest training of four kinds, pruned, quantised. */
  readonly ordinary: readonly string[];
  readonly drifted: readonly string[];
}

export async function judgeDraw(draw: Draw): Promise<DrawVerdicts> {
  const { name } = draw;
  const former = readWeights(openModelPath(join(samples, `${name}.onnx`)));
  const say = (after: Weights): Promise<string> => judge(name, former, after);
  const clean = trainDraw(former, draw, 'clean').weights;
  const poisoned: [string, string][] = [];
  for (const kind of POISONED) {
    const { weights, effect } = trainDraw(former, draw, kind, clean);
    if (effect < EFFECT) continue;
    poisoned.push([kind, await say(weights)]);
    if (kind === 'patch') poisoned.push([`${kind}, quantised`, await say(toQuantised(name, weights))]);
  }
  const plain = ORDINARY.map((kind) => (kind === 'clean' ? clean : trainDraw(former, draw, kind).weights));
  const ordinary: string[] = [];
  for (const weights of [...plain, toPruned(name, clean), toQuantised(name, clean)]) ordinary.push(await say(weights));
  const drifted: string[] = [];
  for (const kind of DRIFTED) drifted.push(await say(trainDraw(former, draw, kind).weights));
  return { poisoned, ordinary, drifted };
}
