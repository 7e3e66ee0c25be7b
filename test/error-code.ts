/** Tests say by its code how something was refused. */
import { type ErrorCode, ModelwardError } from '../src/core/errors.ts';

/** The code of the coded error that `act` throws, 'no error' when it returns; errors without a code go through. */
export function codeOf(act: () => unknown): ErrorCode | 'no error' {
  try {
    act();
    return 'no error';
  } catch (error) {
    if (error instanceof ModelwardError) return error.code;
    throw error;
  }
}

/** The same of what is under way. */
export async function codeOfAsync(work: Promise<unknown>): Promise<ErrorCode | 'no error'> {
  try {
    await work;
    return 'no error';
  } catch (error) {
    if (error instanceof ModelwardError) return error.code;
    throw error;
  }
}
