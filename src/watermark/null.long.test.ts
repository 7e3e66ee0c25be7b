import { describe, test } from 'vitest';
import { expectNull, NULL_SUSPECTS } from '../../test/fakes/null-suite.ts';

describe('10000 keys that marked nothing', () => {
  test.each(
    NULL_SUSPECTS,
  )('%s: hard p-values follow their law, soft and final ones are super-uniform', (_name, open) => {
    expectNull(open(), 10_000);
  });
});
