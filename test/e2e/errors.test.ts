import { expect, test } from 'vitest';
import { type ErrorCode, ERRORS, ModelwardError } from '../../src/core/errors.ts';
import { toFailure, toFailureText } from '../../src/cli/ui/failure.ts';
import { createStyle } from '../../src/core/style.ts';

const CANARY = 'canary-7f3a-secret';

test('no code prints its cause: a canary secret in the cause of every code stays out of the failure text and record', () => {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  expect(codes.length).toBeGreaterThan(100);
  for (const code of codes) {
    const error = new ModelwardError(code, { cause: new TypeError(CANARY), fields: { name: 'weights' } });
    const failure = toFailure(error, { listFolder: () => [], words: [] });
    expect(toFailureText(failure, createStyle(false)), code).not.toContain(CANARY);
    expect(JSON.stringify(failure), code).not.toContain(CANARY);
    expect(`${error.message}${JSON.stringify(error.fields)}`, code).not.toContain(CANARY);
  }
});
