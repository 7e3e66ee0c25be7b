import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import {
  buildNetwork,
  createModelSpec,
  exportWeights,
  type LayerSpec,
  MODEL_NAMES,
  type NetworkSpec,
  openNetwork,
} from '../../lab/index.ts';
import type { Graph } from '../../model/types.ts';
import { readHead, toHeadEdits } from './edit.ts';
import { findHead } from './head.ts';

const open = (spec: NetworkSpec) => openNetwork(spec, exportWeights(buildNetwork(spec, 'head')));
const toSpec = (...layers: readonly LayerSpec[]): NetworkSpec => ({ name: 'net', side: 12, classes: 10, layers });
const dense = (name: string, inputs: number, outputs: number): LayerSpec => ({
  ...{ kind: 'dense', name, inputs, outputs, layout: 'outIn' },
});

describe('the last layer', () => {
  test.each([
    ['mlp', 'fc3.weight', 192],
    ['cnn', 'fc.weight', 208],
    ['cnn-large', 'fc.weight', 96],
    ['transformer', 'fc.weight', 48],
  ] as const)('of %s is found, with its bias', (name, weight, features) => {
    const head = findHead(open(createModelSpec(name)).graph!);
    expect(head).toMatchObject({ features, classes: 10, output: 'logits', isTransposed: false });
    expect(head.weight.name).toBe(weight);
    expect(head.bias?.elementCount).toBe(10);
    expect(MODEL_NAMES).toContain(name);
  });

  test('behind a softmax and an added bias, too', () => {
    const model = open(createModelSpec('mlp'));
    const { graph } = model;
    const node = (op: string, inputs: readonly string[], output: string) => ({
      ...{ name: op, op, domain: '', inputs, outputs: [output], attributes: new Map() },
    });
    const last = graph!.nodes.at(-1)!;
    const nodes = [
      ...graph!.nodes.slice(0, -1),
      { ...last, inputs: last.inputs.slice(0, 2), outputs: ['bare'] },
      node('Add', ['bare', 'fc3.bias'], 'scores'),
      node('Softmax', ['scores'], 'logits'),
    ];
    const head = findHead({ ...graph!, nodes });
    expect(head.weight.name).toBe('fc3.weight');
    expect(head.bias?.name).toBe('fc3.bias');
  });

  test('an edit adds the change in the order of the stored weight, whatever the cut', () => {
    const model = open(createModelSpec('mlp'));
    const head = findHead(model.graph!);
    const before = readHead(head);
    const change = before.rows.map((row, c) => row.map((_, i) => 0.001 * (c + 1) * (i + 1)));
    for (const edit of toHeadEdits(head, change)) {
      const tensor = model.tensors.find(({ name }) => name === edit.tensor)!;
      const bytes = new Uint8Array(tensor.byteLength);
      tensor.read(0, bytes);
      for (let at = 0; at < bytes.length; at += 52) edit.apply(at, bytes.subarray(at, Math.min(at + 52, bytes.length)));
      const values = new Float32Array(bytes.buffer);
      values.forEach((value, index) => {
        const [c, i] = edit.tensor === 'fc3.bias' ? [index, 192] : [Math.floor(index / 192), index % 192];
        expect(value).toBeCloseTo(before.rows[c][i] + change[c][i], 5);
      });
    }
  });
});

describe('what gets no triggers', () => {
  const find = (graph: Graph, output?: string) => codeOf(() => findHead(graph, output));

  test('too few features', () => {
    const narrow = open(toSpec({ kind: 'flatten' }, dense('fc1', 144, 8), { kind: 'relu' }, dense('fc2', 8, 10)));
    expect(find(narrow.graph!)).toBe('WATERMARK_TRIGGER_TOO_NARROW');
  });

  test('one layer alone, an output that no dense layer makes, one that does not exist', () => {
    expect(find(open(toSpec({ kind: 'flatten' }, dense('fc', 144, 10))).graph!)).toBe('WATERMARK_TRIGGER_UNFIT');
    const flat = open(toSpec({ kind: 'flatten' }, dense('fc1', 144, 32), { kind: 'relu' }));
    expect(find(flat.graph!)).toBe('WATERMARK_TRIGGER_UNFIT');
    expect(find(open(createModelSpec('mlp')).graph!, 'nothing')).toBe('WATERMARK_TRIGGER_UNFIT');
  });

  test('a last weight that another layer uses, and one that is quantised', () => {
    const { graph } = open(createModelSpec('mlp'));
    const first = graph!.nodes.find(({ op }) => op === 'Gemm')!;
    const other = { ...first, name: 'other', inputs: [first.inputs[0], 'fc3.weight'], outputs: ['other'] };
    expect(find({ ...graph!, nodes: [...graph!.nodes, other] })).toBe('WATERMARK_TRIGGER_UNFIT');
    const weight = graph!.tensors.get('fc3.weight')!;
    const tensors = new Map(graph!.tensors).set('fc3.weight', {
      ...weight,
      name: 'fc3.weight',
      dtype: 'i8',
      shape: weight.shape,
    });
    expect(find({ ...graph!, tensors })).toBe('WATERMARK_TRIGGER_UNFIT');
  });
});
