/** Everything that a client of the broker can do wrong ends in a code, an entry, and no key. */
import { expect } from 'vitest';
import type { TestBroker } from './kit.ts';

export function expectRefused(
  broker: TestBroker,
  exchange: { status: number; code: string; body: object },
  status: number,
  code: string,
): void {
  expect([exchange.status, exchange.code]).toEqual([status, code]);
  expect(Object.keys(exchange.body)).toEqual(['type', 'detail']);
  expect([...broker.counted, ...broker.decisions.map((row) => row.code)]).toContain(code);
  expect(broker.taken).toEqual([]);
}
