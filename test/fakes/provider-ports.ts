/** Ports of key providers for tests: no environment, no waiting, a fixed clock. */
import { openProviderFiles, type ProviderPorts } from '../../src/adapters/kms/index.ts';
import { fixedClock, seededRandom } from './seal-kit.ts';

export function fakePorts(home: string, more: Partial<ProviderPorts> = {}): ProviderPorts {
  return {
    clock: fixedClock(),
    random: seededRandom(1),
    pause: () => Promise.resolve(),
    files: openProviderFiles(home),
    env: {},
    askPassphrase: () => Promise.reject(new Error('internal error: nobody is asked')),
    openTpm: () => Promise.reject(new Error('internal error: no TPM is asked')),
    ...more,
  };
}
