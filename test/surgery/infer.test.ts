import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openNodeRuntime } from '../../src/adapters/runtime/index.ts';
import { ModelwardError } from '../../src/core/errors.ts';
import { exposeValues, readGraphDocument } from '../../src/formats/index.ts';
import { findElementCount, findPackedByteLength } from '../../src/model/dtype.ts';
import type { GraphDocument } from '../../src/model/document.ts';
import type { RuntimeTensor } from '../../src/model/runtime.ts';
import { inferDocument, toGraphCost } from '../../src/surgery/index.ts';
import { openBytes } from '../formats/models.ts';
import { type Rng, toRng } from '../formats/random.ts';
import { importable } from '../importable.ts';
import { describeWithShared, sharedData } from '../shared-data.ts';
import { readTarGz } from '../tar.ts';
import { type CorpusCase, decodeInput, readCorpus } from './corpus.ts';
import { AgreementCount, findMainType, toTensorRef } from './infer.ts';

const hasNode = await importable('onnxruntime-node');
const needs = hasNode ? '' : ' [needs onnxruntime-node]';
const ARCHIVE = 'onnx-backend-v1.21.0.tar.gz';

/** Outputs of the preview training domain and of classical trees have no rule. */
const WITHOUT_RULE = ['Adagrad', 'Adam', 'Gradient', 'Momentum'].map((op) => `ai.onnx.preview.training::${op}`);

describeWithShared('inference over the backend suite', () => {
  test('no model is refused, every operator has a rule but those named, and no finding is made up', () => {
    const unknown = new Set<string>();
    const findings: string[] = [];
    for (const { path, bytes } of readTarGz(sharedData(ARCHIVE))) {
      if (!path.endsWith('.onnx')) continue;
      const inference = inferDocument(readGraphDocument(openBytes(bytes, 'model.onnx')));
      for (const id of inference.unknownOperators.keys()) unknown.add(id);
      for (const { rule, node, detail } of inference.findings) findings.push(`${path} ${rule} ${node} ${detail}`);
    }
    expect([...unknown].sort()).toEqual(['ai.onnx.ml::TreeEnsemble', ...WITHOUT_RULE]);
    expect(findings).toEqual([]);
  });

  test('models with bytes changed are inferred without an exception, whatever they say', () => {
    const rng = toRng(20_261_120);
    const seeds = [...readTarGz(sharedData(ARCHIVE))].filter(
      ({ path, bytes }) => path.endsWith('.onnx') && bytes.length < 20_000,
    );
    let opened = 0;
    for (let i = 0; i < 3000; i++) {
      const document = findDocument(overwrite(rng.pick(seeds).bytes, rng));
      if (document === null) continue;
      opened++;
      // Its sums must hold up as well; what they are does not matter.
      toGraphCost(document, inferDocument(document));
    }
    expect(opened).toBeGreaterThan(1000);
  });

  test('outputs have the types that the suite declares, with its inputs fed', () => {
    const count = new AgreementCount();
    for (const of of readCorpus(sharedData(ARCHIVE))) addDeclared(count, of);
    expect(count.differences).toEqual([]);
    expect(count.dims).toBeGreaterThan(4000);
    expect(count.whole / count.wholeOther).toBeGreaterThan(0.95);
  });
});

/** Other bytes in the place of one to four, so that most messages still hold together. */
function overwrite(bytes: Uint8Array, rng: Rng): Uint8Array {
  const changed = bytes.slice();
  for (let i = rng.int(4); i >= 0; i--) changed[rng.int(changed.length)] = rng.pick([rng.int(256), 0, 127, 255]);
  return changed;
}

/** Null when the reader refuses it: a refusal is coded, and tested elsewhere. */
function findDocument(bytes: Uint8Array): GraphDocument | null {
  try {
    return readGraphDocument(openBytes(bytes, 'model.onnx'));
  } catch (error) {
    if (error instanceof ModelwardError) return null;
    throw error;
  }
}

/** Fed as the data set feeds it, a model's outputs against the file, which this inference does not look at. */
function addDeclared(count: AgreementCount, { name, model, inputs }: CorpusCase): void {
  const document = readGraphDocument(openBytes(model, 'model.onnx'));
  const tensors = inputs.map((bytes) => {
    try {
      return decodeInput(bytes);
    } catch {
      return null;
    }
  });
  const fed = new Map(document.graph.inputs.flatMap((input, i) => toFed(input.name, tensors[i])));
  const inference = inferDocument(document, { declared: 'inputs', inputTensors: fed });
  for (const output of document.graph.outputs) {
    if (output.dtype === null) continue;
    count.add(`${name} ${output.name}`, findMainType(inference, document, output.name), output);
  }
}

function toFed(name: string, tensor: RuntimeTensor | null | undefined): [string, ReturnType<typeof toTensorRef>][] {
  return tensor === null || tensor === undefined || tensor.dtype === 'string'
    ? []
    : [[name, toTensorRef(name, tensor)]];
}

describeWithShared(`inference of real models${needs}`, () => {
  const shapes: Readonly<Record<string, ReadonlyMap<string, readonly number[]>>> = {
    'mnist.onnx': new Map(),
    'qdq_conv.onnx': new Map(),
    'residual_block.onnx': new Map([['gpu_0/res2_0_branch2b_bn_1', [2, 64, 56, 56]]]),
    'silero_vad_half.onnx': new Map([
      ['input', [1, 512]],
      ['state', [2, 1, 128]],
    ]),
    'silero_vad_op18_ifless.onnx': new Map([
      ['input', [1, 512]],
      ['state', [2, 1, 128]],
    ]),
    'ultraface_rfb320.onnx': new Map(),
  };

  test.runIf(hasNode).each(Object.keys(shapes))('%s: every inner value has the shape of a run', async (name) => {
    const bytes = new Uint8Array(readFileSync(sharedData('models', name)));
    const document = readGraphDocument(openBytes(bytes, name));
    const outputs = new Set(document.graph.outputs.map((output) => output.name));
    const inner = document.graph.nodes.flatMap((node) => node.outputs).filter((o) => o !== '' && !outputs.has(o));
    const session = await (await openNodeRuntime()).load({ main: exposeValues(bytes, inner), external: [] });
    const feeds = new Map(
      session.inputs.map((input) => [input.name, toZeros(input.dtype!, shapes[name].get(input.name) ?? input.shape!)]),
    );
    const results = await session.run(feeds);
    await session.release();
    const inputShapes = new Map([...feeds].map(([key, { shape }]) => [key, shape]));
    const inference = inferDocument(document, { declared: 'inputs', inputShapes });
    const count = new AgreementCount();
    for (const [value, tensor] of results) count.add(value, findMainType(inference, document, value), tensor);
    expect(count.differences).toEqual([]);
    expect(count.wholeOther).toBeGreaterThan(0);
    expect(count.whole / count.wholeOther).toBeGreaterThan(0.9);
  });
});

function toZeros(dtype: RuntimeTensor['dtype'], shape: readonly (number | string | null)[]): RuntimeTensor {
  const dims = shape.map((dim) => (typeof dim === 'number' ? dim : 1));
  return { dtype, shape: dims, data: new Uint8Array(findPackedByteLength(dtype, findElementCount(dims)!)!) };
}
