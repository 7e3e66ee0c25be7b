/** The random generator of the operating system, by way of OpenSSL. */
import { randomFillSync } from 'node:crypto';
import type { Random } from '../../core/ports.ts';

export const systemRandom: Random = {
  fill: (into) => {
    randomFillSync(into);
  },
};
