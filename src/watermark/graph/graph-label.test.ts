/** Labels in the graph: written, read, removed; what the function does with them; what onnxruntime leaves of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findRuntime } from '../../adapters/runtime/index.ts';
import type { RuntimeTensor } from '../../model/runtime.ts';
import { readDocString, toSafetensors } from '../../formats/index.ts';
import { editGraph, validateGraph } from '../../surgery/index.ts';
import { codeOf } from '../../../test/error-code.ts';
import { importable } from '../../../test/importable.ts';
import { openBytes, runPlan } from '../../../test/formats/models.ts';
import * as P from '../../../test/formats/proto.ts';
import { optimise } from '../../../test/optimised.ts';
import {
  findGraphLabel,
  GRAPH_LABEL_KINDS,
  type GraphLabelKind,
  planGraphLabel,
  KEPT_BY_ONNXRUNTIME,
  planGraphLabelRemoval,
} from './index.ts';
import { toShownPayload, toTextPayload } from '../payload.ts';

const samples = join(import.meta.dirname, '../../../samples');
const payload = toTextPayload('uuid', '8d3bd51c-6e23-4b6b-9f39-3f8f7d1f0a55');

/**
 * Four steps of float32, of the largest output: a reordered layer sums hundreds of products in another order, and each
 * engine rounds those sums in its own way (three steps on WebAssembly).
 */
const ROUNDING = 4 * 2 ** -23;

const hasNode = await importable('onnxruntime-node');

const label = (bytes: Uint8Array, kind: GraphLabelKind): Uint8Array =>
  runPlan(planGraphLabel({ model: openBytes(bytes, 'm.onnx'), kind, payload }));
const read = (bytes: Uint8Array, kind: GraphLabelKind): string | undefined => {
  const found = findGraphLabel({ model: openBytes(bytes, 'm.onnx'), kind });
  return found === undefined ? undefined : toShownPayload(found);
};

async function answer(bytes: Uint8Array): Promise<Float32Array> {
  const runtime = await findRuntime();
  const session = await runtime.load({ main: bytes, external: [] });
  const feeds = new Map(
    session.inputs.map(({ name, shape }): [string, RuntimeTensor] => {
      const dims = (shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 2));
      const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1)).map((_, i) => Math.sin(i));
      return [name, { dtype: 'f32', shape: dims, data: new Uint8Array(data.buffer) }];
    }),
  );
  const outputs = await session.run(feeds);
  await session.release();
  const [first] = outputs.values();
  return new Float32Array(first.data.slice().buffer);
}

describe.each(['mlp.onnx', 'cnn.onnx'])('a label in the graph of %s', (name) => {
  const bytes = readFileSync(join(samples, name));

  test.each(
    GRAPH_LABEL_KINDS,
  )('%s: written, read, valid, of the same function; removed, the file is as it was', async (kind) => {
    expect(read(bytes, kind)).toBeUndefined();
    const labelled = label(bytes, kind);
    expect(read(labelled, kind)).toBe(toShownPayload(payload));
    expect(validateGraph(openBytes(labelled, 'm.onnx')).count).toBe(0);
    const [before, after] = [await answer(bytes), await answer(labelled)];
    expect(after.length).toBe(before.length);
    const largest = before.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    before.forEach((value, i) => {
      expect(Math.abs(after[i] - value)).toBeLessThanOrEqual(ROUNDING * largest);
    });
    const removed = runPlan(planGraphLabelRemoval({ model: openBytes(labelled, 'm.onnx'), kind }));
    expect(read(removed, kind)).toBeUndefined();
    expect([...(await answer(removed))]).toEqual([...before]);
  });

  test
    .runIf(hasNode)
    .each(
      GRAPH_LABEL_KINDS.flatMap((kind) => (['basic', 'extended', 'all'] as const).map((level) => ({ kind, level }))),
    )(
    '$kind in what onnxruntime saves after $level optimisation [needs onnxruntime-node]: as the table says',
    async ({ kind, level }) => {
      const optimised = await optimise(label(bytes, kind), level);
      // Only convolutions change their layout; whether they do depends on the processor.
      if (kind === 'channels' && level === 'all') {
        if (name === 'mlp.onnx') expect(read(optimised, kind)).toBe(toShownPayload(payload));
        return;
      }
      expect(read(optimised, kind) === toShownPayload(payload)).toBe(KEPT_BY_ONNXRUNTIME[kind].includes(level));
    },
  );
});

describe('labels in the graph are refused', () => {
  const mlp = readFileSync(join(samples, 'mlp.onnx'));
  const open = (bytes: Uint8Array) => openBytes(bytes, 'm.onnx');

  test.each(GRAPH_LABEL_KINDS)('%s: where one of the kind is, and where none is to be removed', (kind) => {
    const labelled = label(mlp, kind);
    expect(codeOf(() => label(labelled, kind))).toBe('WATERMARK_LABEL_PRESENT');
    expect(codeOf(() => planGraphLabelRemoval({ model: open(mlp), kind }))).toBe('WATERMARK_LABEL_ABSENT');
  });

  test('without a place', () => {
    const tiny = P.model(P.join(P.node('Shape', ['x'], ['y']), P.input('x'), P.output('y')));
    for (const kind of ['identity', 'seed', 'split', 'channels'] as const) {
      expect(codeOf(() => label(tiny, kind))).toBe('WATERMARK_LABEL_NO_PLACE');
    }
  });

  test('when they are too long, or no UUID', () => {
    const long = toTextPayload('text', 'x'.repeat(20_000));
    for (const kind of ['identity', 'seed'] as const) {
      expect(codeOf(() => planGraphLabel({ model: open(mlp), kind, payload: long }))).toBe('WATERMARK_LABEL_TOO_LONG');
    }
    expect(codeOf(() => toTextPayload('uuid', '8d3b'))).toBe('WATERMARK_PAYLOAD_MALFORMED');
  });

  test('a split tensor whose part is gone cannot be joined', () => {
    const labelled = label(mlp, 'split');
    const damaged = runPlan(
      editGraph(open(labelled), (tx) => {
        const concat = tx.node({ name: 'modelward.label/split' });
        tx.setInput(concat, 0, tx.scope().inputs[0].name);
      }).toRewrite(),
    );
    expect(codeOf(() => planGraphLabelRemoval({ model: open(damaged), kind: 'split' }))).toBe(
      'WATERMARK_LABEL_DAMAGED',
    );
  });

  test('a damaged label reads as none: one changed character of a name', () => {
    const labelled = label(mlp, 'identity');
    const at = Buffer.from(labelled).indexOf('modelward.label/identity/0/') + 30;
    labelled[at] = labelled[at] === 65 ? 66 : 65;
    expect(read(labelled, 'identity')).toBeUndefined();
  });
});

test('a description and other metadata stay when a label comes and goes', () => {
  const model = P.model(P.join(P.node('Neg', ['x'], ['y']), P.input('x'), P.output('y')), P.str(6, 'What it does.'));
  const labelled = label(model, 'doc');
  expect(readDocString(openBytes(labelled, 'm.onnx'))).toMatch(/^What it does\.\nLabel: 8d3bd51c-.* \[modelward:/);
  const removed = runPlan(planGraphLabelRemoval({ model: openBytes(labelled, 'm.onnx'), kind: 'doc' }));
  expect(Buffer.compare(removed, model)).toBe(0);
});

test('a channel label is read from the weights alone, after a conversion to safetensors', () => {
  const labelled = label(readFileSync(join(samples, 'mlp.onnx')), 'channels');
  const converted = runPlan(toSafetensors(openBytes(labelled, 'm.onnx'), 'm.safetensors').plan);
  expect(findGraphLabel({ model: openBytes(converted, 'm.safetensors'), kind: 'channels' })).toEqual(payload);
});
