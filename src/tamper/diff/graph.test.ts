import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { branches, chain, edited, functions, open } from '../../../test/surgery/graphs.ts';
import { METAMORPHOSES } from '../../../test/surgery/metamorphic.ts';
import { readTarGz } from '../../../test/tar.ts';
import { tinyModel, tinyNode, tinyValue } from '../../../test/tiny-onnx.ts';
import type { Transaction } from '../../surgery/index.ts';
import { diffModels } from './diff-models.ts';
import type { GraphDiff } from './types.ts';

function diffGraph(bytes: Uint8Array, act: (tx: Transaction) => void): GraphDiff {
  return diffModels({ before: open(bytes), after: edited(bytes, act) }).graph!;
}

const toShort = ({ changes }: GraphDiff): string[] =>
  changes.map(({ kind, scope, before, after, detail }) =>
    [kind, scope, (after ?? before)?.op ?? '-', detail].filter((part) => part !== '').join(' | '),
  );

describe('the difference of two graphs', () => {
  it('is nothing for a graph and itself', () => {
    for (const bytes of [chain(), branches(), functions()]) {
      const { changes, matched, nodesBefore } = diffGraph(bytes, () => undefined);
      expect(changes).toEqual([]);
      expect(matched).toBe(nodesBefore);
    }
  });

  it('names an inserted node by the edge that it was put on, and nothing else', () => {
    const diff = diffGraph(chain(), (tx) => void tx.insertAfter('r', { op: 'Sign', name: 'trigger' }));
    expect(toShort(diff)).toEqual(['inserted | Sign | on the edge a -> b']);
    expect(diff.changes[0].grade).toBe('suspicious');
    const plain = diffGraph(chain(), (tx) => void tx.insertAfter('r', { op: 'Identity' }));
    expect(plain.changes.map(({ kind, grade }) => [kind, grade])).toEqual([['inserted', 'benign']]);
  });

  it('names operators where a node was replaced by another of its name', () => {
    const make = (op: string) =>
      tinyModel({
        inputs: [tinyValue('x', 'f32', [1, 4])],
        outputs: [tinyValue('y', 'f32', [1, 4])],
        nodes: [tinyNode('Neg', ['x'], ['a']), tinyNode(op, ['a'], ['b']), tinyNode('Exp', ['b'], ['y'])],
      });
    const diff = diffModels({ before: open(make('Relu')), after: open(make('Tanh')) }).graph!;
    expect(diff.counts).toMatchObject({ inserted: 1, deleted: 1, rewired: 1 });
    expect(diff.changes.find(({ kind }) => kind === 'rewired')?.detail).toBe('input 0 from Relu b to Tanh b');
  });

  it('names a deleted node, and does not call its neighbours rewired', () => {
    const diff = diffGraph(chain(), (tx) => {
      tx.remove(tx.find({ name: 'a' }), { reconnect: true });
    });
    expect(toShort(diff)).toEqual(['deleted | Relu | has no counterpart']);
  });

  it('names an attribute with its former and its new value', () => {
    const diff = diffGraph(chain(), (tx) => {
      tx.setAttribute(tx.find({ name: 'a' })[0], 'alpha', { float: 2 });
    });
    expect(toShort(diff)).toEqual(['attribute-changed | Relu | alpha: absent -> 2']);
  });

  it('names a rewired input with both ends', () => {
    const diff = diffGraph(chain(), (tx) => {
      tx.setInput(tx.find({ name: 'b' })[0], 0, 'x');
    });
    expect(toShort(diff)).toEqual(['rewired | Neg | input 0 from a to "x"']);
  });

  it('matches nodes under other names, and says so without alarm', () => {
    const diff = diffGraph(chain(), METAMORPHOSES['rename every value and node']);
    expect(diff.counts).toMatchObject({ renamed: 2, inserted: 0, deleted: 0, rewired: 0 });
    expect(diff.changes.filter(({ kind }) => kind === 'renamed').every(({ grade }) => grade === 'same')).toBe(true);
  });

  it('looks into branches, with the values of the graph around them', () => {
    const inner = diffGraph(
      branches(),
      (tx) => void tx.insertAfter({ scope: 'if.then_branch', value: 't' }, { op: 'Sign' }),
    );
    expect(inner.changes.map(({ kind, scope }) => [kind, scope])).toEqual([['inserted', '/if#then_branch']]);
    const around = diffGraph(branches(), (tx) => {
      const [node] = tx.find({ op: 'Abs' });
      tx.setInput(node, 0, 'x');
    });
    expect(toShort(around)).toEqual(['rewired | /if#else_branch | Abs | input 0 from "r" to "x"']);
  });

  it('looks into functions, and tells renamed ones from new ones', () => {
    const inner = diffGraph(functions(), (tx) => {
      const [node] = tx.scope('own::Twice').nodes;
      tx.setAttribute(node, 'alpha', { int: 1 });
    });
    expect(inner.changes.map(({ kind, scope }) => [kind, scope])).toEqual([['attribute-changed', 'fn:own::Twice']]);
  });

  it('names new outputs', () => {
    const diff = diffGraph(chain(), (tx) => {
      tx.addOutput('r');
    });
    expect(toShort(diff)).toEqual(['interface | - | output "r" is new']);
  });

  it('draws deletions left, insertions right, and long stretches as a number', () => {
    const diff = diffGraph(chain(), (tx) => void tx.insertAfter('r', { op: 'Sign' }));
    expect(diff.rows.map(({ kind, before, after }) => [kind, before?.op ?? null, after?.op ?? null])).toEqual([
      ['same', 'Relu', 'Relu'],
      ['inserted', null, 'Sign'],
      ['same', 'Neg', 'Neg'],
    ]);
  });
});

describeWithShared('graphs of real models', () => {
  const ultraface = () => new Uint8Array(readFileSync(sharedData('models', 'ultraface_rfb320.onnx')));

  it.each([
    'rename every value and node',
    'reorder nodes, then sort them',
    'turn initializers into Constant nodes',
  ])('%s: computes the same, and is said to', (id) => {
    const bytes = ultraface();
    const diff = diffModels({ before: open(bytes), after: edited(bytes, METAMORPHOSES[id]) });
    expect(diff.graph!.counts).toMatchObject({ inserted: 0, deleted: 0, rewired: 0, 'attribute-changed': 0 });
    expect(diff.verdict.class).toBe('unchanged');
    expect(diff.verdict.grade).not.toBe('suspicious');
    expect(diff).toMatchObject({ added: 0, removed: 0 });
  });

  it('finds one inserted node anywhere, and that alone', () => {
    const bytes = ultraface();
    const { nodes } = open(bytes).graph!;
    for (let index = 0; index < nodes.length; index += 17) {
      const [value] = nodes[index].outputs;
      const diff = diffGraph(bytes, (tx) => void tx.insertAfter(value, { op: 'Tanh', name: 'planted' }));
      const found = diff.changes.filter(({ kind }) => kind !== 'renamed');
      expect(
        found.map(({ kind, after }) => [kind, after?.name ?? null]),
        value,
      ).toEqual([['inserted', 'planted']]);
    }
  });

  it('says that nodes swapped their weights although no tensor changed', () => {
    const bytes = ultraface();
    const diff = diffGraph(bytes, (tx) => {
      const shapeOf = (node: { readonly inputs: readonly string[] }) => tx.tensor(node.inputs[1])?.shape.join();
      const [first, ...others] = tx.find({ op: 'Conv' }).slice(10);
      const second = others.find((node) => shapeOf(node) === shapeOf(first))!;
      const [a, b] = [first.inputs[1], second.inputs[1]];
      tx.setInput(first, 1, b);
      tx.setInput(second, 1, a);
    });
    expect(diff.counts).toMatchObject({ rewired: 2, inserted: 0, deleted: 0 });
  });

  it('matches all nodes of the 910-node densenet121 after a rename', () => {
    const entry = [...readTarGz(sharedData('onnx-backend-v1.21.0.tar.gz'))].find(({ path }) =>
      path.endsWith('light_densenet121.onnx'),
    )!;
    const bytes = new Uint8Array(entry.bytes);
    const diff = diffGraph(bytes, METAMORPHOSES['rename every value and node']);
    expect(diff.matched).toBe(diff.nodesBefore);
    expect(diff.nodesBefore).toBeGreaterThanOrEqual(900);
    expect(diff.counts).toMatchObject({ inserted: 0, deleted: 0, rewired: 0 });
  });
});
