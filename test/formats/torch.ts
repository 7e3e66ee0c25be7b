/** What the tests of PyTorch files ask of every error. */
import { expect } from 'vitest';
import { type ErrorCode, ModelwardError } from '../../src/core/errors.ts';

/** The code of the coded error that `act` throws; reader errors must name the offset. Other errors pass. */
export function findTorchError(act: () => unknown): ErrorCode | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (!(error instanceof ModelwardError)) throw error;
    if (error.code.startsWith('PYTORCH_')) expect(error.fields.offset).toBeTypeOf('number');
    return error.code;
  }
}
