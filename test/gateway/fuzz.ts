/** Sends what fuzzers make through the real front; every answer has a code of the gateway, and nothing stays behind. */
import { type Agent, request } from 'node:http';
import fc from 'fast-check';
import { expect } from 'vitest';
import { ERRORS } from '../../src/core/errors.ts';
import type { FuzzRequest } from './fuzz-cases.ts';
import type { Whole } from './reliability/whole.ts';

export interface Answer {
  readonly status: number;
  readonly code: string;
  readonly body: string;
}

/** One request of HTTP/1.1; what Node's client cannot send is not sent, and is null. */
export function send(port: number, { path, headers, body }: FuzzRequest, agent: Agent): Promise<Answer | null> {
  return new Promise((done, fail) => {
    let sent;
    try {
      sent = request({ host: '127.0.0.1', port, method: 'POST', path, headers, agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () => {
          const code = response.headers['x-modelward-code'] ?? response.trailers['x-modelward-code'] ?? '';
          done({ status: response.statusCode ?? 0, code: String(code), body: Buffer.concat(chunks).toString() });
        });
      });
    } catch {
      done(null);
      return;
    }
    sent.on('error', fail);
    sent.end(body);
  });
}

/** Taken, or refused for what it is: never for a fault of ours. */
export function expectTyped(answer: Answer | null): void {
  if (answer === null) return;
  const { status, code } = answer;
  if (code === '') {
    expect(answer).toMatchObject({ status: 200 });
    return;
  }
  const row = ERRORS[code as keyof typeof ERRORS] as { readonly http: number } | undefined;
  expect(row, `code ${code} is listed`).toBeDefined();
  expect([code, row!.http >= 400 && row!.http < 500]).toEqual([code, true]);
  expect([200, row!.http]).toContain(status);
}

/** Runs a property over one gateway, and looks at what is left of it. */
export async function fuzz<Value>(
  whole: Whole,
  values: fc.Arbitrary<Value>,
  check: (value: Value) => Promise<void>,
  runs: { readonly numRuns: number; readonly seed: number },
): Promise<void> {
  await fc.assert(fc.asyncProperty(values, check), { ...runs, endOnFailure: false });
  await whole.quiet();
  expect(whole.faults).toEqual([]);
}
