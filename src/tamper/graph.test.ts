import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openFiles } from '../../test/tamper/helpers.ts';
import {
  f32Bytes,
  type Part,
  type TinyGraph,
  tinyGraph,
  tinyModel,
  tinyNode,
  tinyTensor,
  tinyValue,
} from '../../test/tiny-onnx.ts';
import type { GraphDigest } from './graph-digest.ts';
import { toGraphDigest } from './graph-digest.ts';
import { diffNodes } from './graph-diff.ts';

const weight = (name: string, seed = 1): Part => tinyTensor(name, 'f32', [2, 2], f32Bytes([seed, 2, 3, 4]));
const ends = { inputs: [tinyValue('x', 'f32', [2, 2])], outputs: [tinyValue('y', 'f32', [2, 2])] };

function digestOf(graph: Omit<TinyGraph, 'inputs' | 'outputs'> & Partial<TinyGraph>, opset = 13): GraphDigest {
  const model = openFiles({ 'm.onnx': tinyModel({ ...ends, ...graph }, opset) });
  return toGraphDigest(model, (tensor) => tensor.name)!;
}

const chain = (names: readonly string[], tensors = [weight('w'), weight('v', 5)]) => ({
  nodes: [
    tinyNode('MatMul', ['x', 'w'], [names[0]]),
    tinyNode('Add', [names[0], 'v'], [names[1]]),
    tinyNode('Relu', [names[1]], ['y']),
  ],
  tensors,
});
const base = digestOf(chain(['a', 'b']));

describe('the graph digest', () => {
  it('does not depend on names of intermediate values or on the order of nodes and tensors', () => {
    const { nodes } = chain(['p', 'q'], []);
    expect(digestOf(chain(['p', 'q'])).digest).toBe(base.digest);
    const reordered = { nodes: [nodes[2], nodes[0], nodes[1]], tensors: [weight('v', 5), weight('w')] };
    expect(digestOf(reordered).digest).toBe(base.digest);
  });

  it('depends on op, attributes, wiring, opset, inputs and outputs', () => {
    const { nodes, tensors } = chain(['a', 'b']);
    const relu = nodes[2];
    const others = [
      digestOf({ tensors, nodes: [nodes[0], tinyNode('Sub', ['a', 'v'], ['b']), relu] }),
      digestOf({ tensors, nodes: [nodes[0], tinyNode('Add', ['a', 'v'], ['b'], { ints: { axis: 1 } }), relu] }),
      digestOf({ tensors, nodes: [nodes[0], tinyNode('Add', ['v', 'a'], ['b']), relu] }),
      digestOf({ tensors, nodes: [nodes[0], tinyNode('Add', ['a', 'w'], ['b']), relu] }),
      digestOf({ tensors, nodes: [nodes[0], nodes[1], tinyNode('Relu', ['b'], ['y'], { domain: 'other' })] }),
      digestOf({ tensors, nodes, outputs: [...ends.outputs, tinyValue('a', 'f32', [2, 2])] }),
      digestOf({ tensors, nodes, inputs: [tinyValue('x', 'f32', ['n', 2])] }),
      digestOf(chain(['a', 'b']), 14),
    ];
    expect(new Set([base.digest, ...others.map(({ digest }) => digest)]).size).toBe(others.length + 1);
  });

  it('identifies tensors as told: by content, two names for one tensor are the same', () => {
    const byContent = (names: readonly [string, string]) => {
      const { nodes } = chain(['a', 'b']);
      const add = tinyNode('Add', ['a', names[1]], ['b']);
      const graph = { ...ends, nodes: [tinyNode('MatMul', ['x', names[0]], ['a']), add, nodes[2]] };
      const bytes = tinyModel({ ...graph, tensors: [weight(names[0]), weight(names[1], 5)] });
      return toGraphDigest(openFiles({ 'm.onnx': bytes }), (tensor) => {
        const content = new Uint8Array(tensor.byteLength);
        tensor.read(0, content);
        return Buffer.from(content).toString('hex');
      })!.digest;
    };
    expect(byContent(['w', 'v'])).toBe(byContent(['k1', 'k2']));
  });

  it('reaches into subgraphs and what they capture', () => {
    const branch = (op: string, captured: string) =>
      tinyGraph({ outputs: [tinyValue('out', 'f32', [2, 2])], nodes: [tinyNode(op, [captured], ['out'])] });
    const withBranches = (op: string, captured = 'x') =>
      digestOf({
        inputs: [...ends.inputs, tinyValue('c', 'bool', [])],
        tensors: [weight('w')],
        nodes: [
          tinyNode('If', ['c'], ['y'], {
            graphs: { then_branch: branch('Relu', 'x'), else_branch: branch(op, captured) },
          }),
        ],
      });
    const first = withBranches('Tanh');
    expect(withBranches('Tanh').digest).toBe(first.digest);
    expect(withBranches('Sigmoid').digest).not.toBe(first.digest);
    expect(withBranches('Tanh', 'w').digest).not.toBe(first.digest);
    expect(first.nodes.map(({ scope }) => scope)).toContain('/If:0#else_branch');
  });

  it('takes a chain of 20,000 nodes and a graph with a cycle', () => {
    const length = 20_000;
    const nodes = Array.from({ length }, (_, index) =>
      tinyNode('Relu', [index === 0 ? 'x' : `v${index - 1}`], [index === length - 1 ? 'y' : `v${index}`]),
    );
    expect(digestOf({ nodes }).nodes).toHaveLength(length);
    const cycle = [tinyNode('Add', ['x', 'b'], ['a']), tinyNode('Relu', ['a'], ['b']), tinyNode('Tanh', ['a'], ['y'])];
    expect(digestOf({ nodes: cycle }).digest).not.toBe(base.digest);
  });
});

describe('the node difference', () => {
  const ops = ['Relu', 'Tanh', 'Sigmoid', 'Abs', 'Neg', 'Exp'];
  const line = (list: readonly string[], prefix = 'v') =>
    digestOf({
      nodes: list.map((op, index) =>
        tinyNode(
          op,
          [index === 0 ? 'x' : `${prefix}${index - 1}`],
          [index === list.length - 1 ? 'y' : `${prefix}${index}`],
        ),
      ),
    }).nodes;

  it('is empty for the same graph, also under other names', () => {
    expect(diffNodes(line(ops), line(ops))).toEqual([]);
    expect(diffNodes(line(ops), line(ops, 'other'))).toEqual([]);
  });

  it('finds one inserted and one removed node of any line of nodes', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...ops), { minLength: 2, maxLength: 8 }), fc.nat(), (list, seed) => {
        const at = seed % list.length;
        const longer = [...list.slice(0, at), 'Erf', ...list.slice(at)];
        const added = diffNodes(line(list), line(longer));
        expect(added.some(({ kind, op, formerOp }) => (kind === 'added' || formerOp !== null) && op === 'Erf')).toBe(
          true,
        );
        const counts = (changes: typeof added, kind: string) => changes.filter((change) => change.kind === kind).length;
        expect(counts(added, 'added') - counts(added, 'removed')).toBe(1);
        const removed = diffNodes(line(longer), line(list));
        expect(counts(removed, 'removed') - counts(removed, 'added')).toBe(1);
      }),
      { numRuns: 60 },
    );
  });

  it('names a node whose inputs were exchanged as rewired', () => {
    const graph = (inputs: readonly string[]) =>
      digestOf({ tensors: [weight('w')], nodes: [tinyNode('Sub', inputs, ['y'])] }).nodes;
    expect(diffNodes(graph(['x', 'w']), graph(['w', 'x']))).toEqual([
      { kind: 'rewired', scope: '', op: 'Sub', name: 'y', formerOp: null },
    ]);
  });
});
