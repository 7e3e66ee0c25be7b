/** Puts the store of rates in. */
import { zeroize } from '../../../../core/bytes.ts';
import type { RedisCounter } from '../../../../adapters/redis-limits/index.ts';
import type { RateStoreConfig } from '../../../../gateway/index.ts';
import type { RateCounter } from '../../../../gateway/ports.ts';
import { pause } from '../../../compose.ts';
import type { CliContext } from '../../../context.ts';
import { readSecretFile } from '../../../ui/secret.ts';

/** How long the beginning waits for the first answer; then the gateway begins with the store away. */
const FIRST_ANSWER = { tries: 20, everyMs: 50 };

/**
 * Null where this process counts.
 * @throws GatewayError LIMITS_URL_MALFORMED | LIMITS_PACKAGE_MISSING; CliError of the file with the password; SourceError
 */
export async function openRateCounter({ services }: CliContext, store: RateStoreConfig): Promise<RateCounter | null> {
  if (store.kind === 'memory') return null;
  const { openRedisCounter, parseRedisAddress } = await import('../../../../adapters/redis-limits/index.ts');
  const { url, cluster: isCluster, passwordFile, authority, timeoutMs, prefix } = store;
  const address = parseRedisAddress(url, { isPasswordAllowed: false, isCluster });
  const password = passwordFile === undefined ? null : readPassword(passwordFile);
  const counter = await openRedisCounter({
    address: { ...address, password },
    caPem: authority === undefined ? undefined : Buffer.from(services.storage.read(authority)).toString('latin1'),
    ...{ isCluster, timeoutMs, prefix },
  });
  await waitForFirst(counter);
  return counter;
}

function readPassword(path: string): string {
  const bytes = readSecretFile(path);
  try {
    return Buffer.from(bytes).toString('utf8');
  } finally {
    zeroize(bytes);
  }
}

/** Without it the first callers would find the store away while the line is only being made. */
async function waitForFirst(counter: RedisCounter): Promise<void> {
  for (let left = FIRST_ANSWER.tries; left > 0; left -= 1) {
    try {
      await counter.begin();
      return;
    } catch {
      await pause(FIRST_ANSWER.everyMs);
    }
  }
}
