import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toRotaryRows } from '../formats/index.ts';
import type { ElementOrder } from './element-order.ts';
import { findLlamaName } from './llama-names.ts';
import { listRotaryOrders } from './rotary-order.ts';

/** Where element `at` of the layer lies in the other tensor. */
function toPlace(order: ElementOrder, at: number): number {
  let place = 0;
  let left = at;
  for (const { size, stride } of order.toReversed()) {
    place += (left % size) * stride;
    left = Math.floor(left / size);
  }
  return place;
}

const CHECKPOINT = 'model.layers.2.self_attn.q_proj.weight';
const CONVERTED = 'blk.2.attn_q.weight';
const llama = (heads: string, headsOfKeys = heads): ReadonlyMap<string, string> =>
  new Map([
    ['general.architecture', 'llama'],
    ['llama.attention.head_count', heads],
    ['llama.attention.head_count_kv', headsOfKeys],
  ]);

describe('rows of query and key projections', () => {
  test('a checkpoint’s elements are found where the converter put them, and the other way round', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 4 }),
        (heads, half, columns) => {
          const rows = 2 * half * heads;
          const shape = [rows, columns];
          const there = toRotaryRows(rows, heads);
          const [order] = listRotaryOrders({
            ours: CHECKPOINT,
            theirs: CONVERTED,
            shape,
            metadata: llama(String(heads)),
          }).orders;
          for (let at = 0; at < rows * columns; at++) {
            const moved = there[Math.floor(at / columns)] * columns + (at % columns);
            expect(toPlace(order, at)).toBe(moved);
          }
        },
      ),
    );
    const { orders, isCertain } = listRotaryOrders({
      ours: CONVERTED,
      theirs: CHECKPOINT,
      shape: [128, 3],
      metadata: new Map(),
    });
    expect(isCertain).toBe(false);
    const there = toRotaryRows(128, 2);
    const back = Array.from({ length: 128 }, (_, row) => toPlace(orders[0], row * 3) / 3);
    expect(back.map((row) => there[row])).toEqual(Array.from({ length: 128 }, (_, row) => row));
  });

  test('keys have heads of their own; a list has one number for each block', () => {
    const key = { ours: CHECKPOINT.replace('q_proj', 'k_proj'), theirs: 'blk.2.attn_k.weight', shape: [64, 8] };
    const headsOf = (metadata: ReadonlyMap<string, string>): number | undefined =>
      listRotaryOrders({ ...key, metadata }).orders.at(0)?.[0].size;
    expect(headsOf(llama('8', '2'))).toBe(2);
    expect(headsOf(llama('8', '[8, 4, 1]'))).toBe(1);
    expect(headsOf(new Map([...llama('8')].filter(([name]) => !name.endsWith('_kv'))))).toBe(8);
  });

  test.each([
    ['0'],
    ['-4'],
    ['3'],
    ['4.5'],
    ['1e99'],
    ['many'],
    ['[32 × u32, SHA-256 00]'],
  ])('%s heads are no number of heads: usual lengths are tried', (heads) => {
    const found = listRotaryOrders({ ours: CHECKPOINT, theirs: CONVERTED, shape: [256, 4], metadata: llama(heads) });
    expect(found.isCertain).toBe(false);
    expect(found.orders.map((order) => 256 / order[0].size)).toEqual([64, 128, 32, 256]);
  });

  test('only where the names say so: other parts, equal conventions and other ranks have no such order', () => {
    const metadata = llama('4');
    for (const [ours, theirs, shape] of [
      [CHECKPOINT.replace('q_proj', 'v_proj'), 'blk.2.attn_v.weight', [64, 4]],
      [CHECKPOINT, CHECKPOINT, [64, 4]],
      [CONVERTED, CONVERTED, [64, 4]],
      [CHECKPOINT, CONVERTED, [64]],
    ] as const) {
      expect(listRotaryOrders({ ours, theirs, shape, metadata }).orders).toEqual([]);
    }
  });

  test('an architecture whose rows are not known to be moved is not certain', () => {
    const metadata = new Map([
      ['general.architecture', 'qwen2'],
      ['qwen2.attention.head_count', '4'],
    ]);
    const found = listRotaryOrders({ ours: CHECKPOINT, theirs: CONVERTED, shape: [64, 4], metadata });
    expect(found).toMatchObject({ isCertain: false });
    expect(found.orders).toHaveLength(1);
  });
});

describe('names of llama.cpp', () => {
  test.each([
    ['model.layers.11.self_attn.q_proj.weight', 'blk.11.attn_q.weight'],
    ['model.language_model.layers.0.mlp.down_proj.weight', 'blk.0.ffn_down.weight'],
    ['blk.3.attn_k.weight', 'blk.3.attn_k.weight'],
    ['output.weight', 'output.weight'],
    ['lm_head.weight', 'output.weight'],
    ['transformer.h.4.attn.c_attn.bias', 'blk.4.attn_qkv.bias'],
    ['encoder.layer.1.output.dense.weight', 'blk.1.ffn_down.weight'],
    ['constructor.weight', null],
    ['model.layers.1.self_attn.rotary_emb.inv_freq', null],
    ['fc1.weight', null],
    ['', null],
  ])('%s is %s', (name, common) => {
    expect(findLlamaName(name)).toBe(common);
  });
});
