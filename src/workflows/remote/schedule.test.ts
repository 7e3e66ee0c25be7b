/** What a run spends, in which order, and how it waits. */
import { describe, expect, test } from 'vitest';
import type { Random } from '../../core/ports.ts';
import { toJittered } from './exchange.ts';
import { toAmounts, toSchedule } from './schedule.ts';

describe('amounts', () => {
  test('2 % of the budget are kept for retries; normal inputs take what questions leave', () => {
    expect(toAmounts({ budget: 2500, questions: 2000, normal: 9999 })).toEqual({ questions: 2000, normal: 450 });
    expect(toAmounts({ budget: 100, questions: 2000, normal: 9999 })).toEqual({ questions: 98, normal: 0 });
    expect(toAmounts({ budget: 2500, questions: 300, normal: 9999 })).toEqual({ questions: 300, normal: 300 });
    expect(toAmounts({ budget: 1, questions: 300, normal: 1 })).toEqual({ questions: 0, normal: 0 });
  });
});

describe('order', () => {
  test('every item once, in an order that the nonce gives', () => {
    const nonce = new Uint8Array(32).fill(9);
    const order = toSchedule(nonce, { questions: 50, normal: 20 });
    const names = order.map(({ kind, index }) => `${kind} ${index}`);
    expect(new Set(names).size).toBe(70);
    expect(order.filter(({ kind }) => kind === 'question')).toHaveLength(50);
    expect(toSchedule(nonce, { questions: 50, normal: 20 })).toEqual(order);
    expect(toSchedule(new Uint8Array(32), { questions: 50, normal: 20 })).not.toEqual(order);
    expect(order.slice(0, 50).some(({ kind }) => kind === 'normal')).toBe(true);
  });
});

describe('waits', () => {
  test('lie between half and one and a half of the mean', () => {
    const with_ = (byte: number): Random => ({ fill: (into) => into.fill(byte) });
    expect(toJittered(1000, with_(0))).toBe(500);
    expect(toJittered(1000, with_(0xff))).toBe(1500);
  });
});
