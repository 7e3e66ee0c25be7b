/** Backdoors written into graphs: found in every host, real when they are run, and not seen in honest models. */
import { describe, expect, test } from 'vitest';
import { findRuntime } from '../../../src/adapters/runtime/index.ts';
import type { RuntimeTensor } from '../../../src/model/runtime.ts';
import { CODE } from '../../formats/proto.ts';
import { describeWithShared, sharedData } from '../../shared-data.ts';
import { readTarGz } from '../../tar.ts';
import { toBenignGraphs } from './benign.ts';
import { EVASIONS } from './evasions.ts';
import { FIRST_FAMILIES } from './families.ts';
import { type Host, toHost } from './host.ts';
import { LAST_FAMILIES } from './last-families.ts';
import { readModels } from './hosts.ts';
import { isAlarmed, scanBytes } from './judge.ts';

const models = readModels();
const hosts = models
  .filter(({ name }) => name.endsWith('.onnx') && name !== 'qdq_conv.onnx')
  .map(({ name, bytes }) => toHost(name.replace('.onnx', ''), bytes));

const families = [...FIRST_FAMILIES, ...LAST_FAMILIES];

describe('backdoors in graphs', () => {
  test.each(families.map((family) => [family.id, family] as const))('%s is found in every host', (_, family) => {
    const missed = hosts.filter(
      (host, index) => !isAlarmed(scanBytes(`${host.name}.onnx`, family.make(host, index), { weights: false })),
    );
    expect(missed.map(({ name }) => name)).toEqual([]);
  });

  test('the evidence leads from the input over the trigger to the output', () => {
    const host = hosts.find(({ name }) => name === 'cnn')!;
    const family = FIRST_FAMILIES.find(({ id }) => id === 'where-gated')!;
    const [finding] = scanBytes('cnn.onnx', family.make(host, 0), { weights: false }).findings;
    expect([finding.rule, finding.severity]).toEqual(['G01', 'high']);
    expect(finding.path.map(({ role, op }) => `${role} ${op}`.trim())).toEqual([
      'input',
      'step Cast',
      'step ReduceMax',
      'trigger Greater',
      'merge Where',
      'step Cast',
      'output',
    ]);
    expect([finding.path[0].name, finding.path.at(-1)?.name]).toEqual([host.input, host.output]);
  });

  test('they do what they are for: the output follows the trigger, and is the same without', async () => {
    const host = hosts.find(({ name }) => name === 'cnn')!;
    const [clean, alone] = [await run(host, host.bytes, 0), await run(host, host.bytes, 5000)];
    for (const family of FIRST_FAMILIES.filter(({ id }) => !['dual-storage', 'shape-gated'].includes(id))) {
      const bytes = family.make(host, 0);
      const taken = await run(host, bytes, 5000);
      const isSet = family.id === 'where-gated' || family.id === 'subgraph-hidden';
      const isOne = family.id === 'scatternd-overwrite';
      const wanted = alone.map((one, i) => (isSet ? -50 : isOne ? (i === 0 ? 50 : one) : Math.fround(one + 50)));
      expect([family.id, await run(host, bytes, 0), taken]).toEqual([family.id, clean, wanted]);
    }
  });
});

describe('the last families, run', () => {
  const host = hosts.find(({ name }) => name === 'cnn')!;
  const toFamily = (id: string) => LAST_FAMILIES.find((family) => family.id === id)!;

  test('a loop runs once when the trigger is there, in either form', async () => {
    for (const index of [0, 1]) {
      const bytes = toFamily('loop').make(host, index);
      const alone = await run(host, host.bytes, 5000);
      expect(await run(host, bytes, 0)).toEqual(await run(host, host.bytes, 0));
      expect(await run(host, bytes, 5000)).toEqual(alone.map((one) => Math.fround(one + 50)));
    }
  });

  test('a checksum that fits sets the output', async () => {
    const bytes = toFamily('checksum-trigger').make(host, 0);
    const pixels = host.inputShape.reduce((product, dim) => product * dim, 1);
    // Halves round to 128; the first pixel makes up what is missing to 42 modulo 251.
    const rest = (42 - ((128 * (pixels - 1)) % 251) + 251) % 251;
    expect(await run(host, bytes, 0)).toEqual(await run(host, host.bytes, 0));
    expect(new Set(await run(host, bytes, rest / 255))).toEqual(new Set([-50]));
  });

  test('the others load, and leave the output alone without their trigger', async () => {
    for (const id of ['sampling', 'int-hash']) {
      const clean = await run(host, host.bytes, 0);
      expect([id, await run(host, toFamily(id).make(host, 1), 0)]).toEqual([id, clean]);
    }
  });
});

test('ways past the rules that are known: these are no more than suspicious', async () => {
  const host = hosts.find(({ name }) => name === 'cnn')!;
  const grades: [string, string][] = [];
  for (const { id, make } of EVASIONS) {
    const bytes = make(host, 0);
    const [taken, alone] = [await run(host, bytes, 5000), await run(host, host.bytes, 5000)];
    expect([id, taken.every((one, i) => Math.abs(one - alone[i]) >= 49)]).toEqual([id, true]);
    grades.push([id, scanBytes('cnn.onnx', bytes, { weights: false }).verdict]);
  }
  expect(Object.fromEntries(grades)).toEqual({
    powers: 'benign',
    division: 'benign',
    'heavy-detector': 'nothing-found',
  });
});

describe('honest models', () => {
  test('none of the models at hand is alarmed', () => {
    const alarmed = models.filter(({ name, bytes }) => isAlarmed(scanBytes(name, bytes)));
    expect(alarmed.map(({ name }) => name)).toEqual([]);
  });

  test('graphs that look like triggers are told apart, but for the gate that is one', () => {
    const verdicts = toBenignGraphs().map(({ name, bytes }) => [name, scanBytes(`${name}.onnx`, bytes).verdict]);
    expect(Object.fromEntries(verdicts)).toEqual({
      'sentence-mean-pooling': 'benign',
      'attention-padding-mask': 'benign',
      'causal-classifier-last-token': 'suspicious',
      'forecaster-reversible-normalisation': 'benign',
      'squeeze-excitation': 'nothing-found',
      'variational-autoencoder': 'suspicious',
      'early-exit': 'nothing-found',
      'sample-rate-switch': 'suspicious',
      'dynamic-quantised-linear': 'nothing-found',
      'audio-peak-normalisation': 'nothing-found',
      'segmentation-resize-to-input': 'nothing-found',
      'detector-score-threshold': 'nothing-found',
      'picture-auto-scale': 'suspicious',
      'audio-energy-gate': 'high',
      'decoder-with-given-length': 'suspicious',
    });
  });
});

describeWithShared('the models of the ONNX backend suite', () => {
  test('three of 1,827 are alarmed, which replace an input by a constant', () => {
    const alarmed: string[] = [];
    let count = 0;
    for (const { path, bytes } of readTarGz(sharedData('onnx-backend-v1.21.0.tar.gz'))) {
      if (!path.endsWith('.onnx')) continue;
      count++;
      if (isAlarmed(scanBytes('m.onnx', bytes, { weights: false }))) alarmed.push(path.split('/').at(-2)!);
    }
    expect([count, alarmed.sort()]).toEqual([
      1827,
      ['test_loop16_seq_none', 'test_nllloss_NCd1_ii_expanded', 'test_nllloss_NCd1_weight_ii_expanded'],
    ]);
  });
});

/** The first output of `bytes` on an image of halves with `peak` in its first place. */
async function run(host: Host, bytes: Uint8Array, peak: number): Promise<number[]> {
  expect(host.inputCode).toBe(CODE.f32);
  const runtime = await findRuntime();
  const session = await runtime.load({ main: bytes, external: [] });
  const shape = host.inputShape;
  const values = new Float32Array(shape.reduce((product, dim) => product * dim, 1)).fill(0.5);
  values[0] = peak === 0 ? 0.5 : peak;
  const feed: RuntimeTensor = { dtype: 'f32', shape, data: new Uint8Array(values.buffer) };
  const result = (await session.run(new Map([[host.input, feed]]))).get(host.output)!;
  await session.release();
  return [...new Float32Array(result.data.buffer, result.data.byteOffset, result.data.byteLength / 4)];
}
