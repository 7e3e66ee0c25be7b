/** Rates counted in Redis or Valkey, for several machines: one script, one number for each caller, the clock of the server. */
import type { GcraRule, RateCounter } from '../../gateway/ports.ts';
import { openRedisLine, type RedisLineOptions } from './client.ts';

export { parseRedisAddress, type RedisAddress } from './address.ts';

export interface RedisCounterOptions extends RedisLineOptions {
  /** Before all keys: gateways with other keys of callers need another one. */
  readonly prefix?: string;
}

/**
 * Does not wait for the server: until it answers, every question is a failure.
 * @throws GatewayError LIMITS_PACKAGE_MISSING
 */
export async function openRedisCounter(options: RedisCounterOptions): Promise<RateCounter> {
  const { prefix = 'modelward:rate:' } = options;
  const line = await openRedisLine(options);
  const emptyKey = `${prefix}empty`;
  const ask = (kind: 'take' | 'refund', subject: string, rule: GcraRule): Promise<readonly [number, number]> =>
    line.run([`${prefix}of:${subject}`, emptyKey], [kind, rule.intervalUs, rule.toleranceUs]);
  return {
    take: async (subject, rule) => {
      const [admitted, aheadUs] = await ask('take', subject, rule);
      return { isAdmitted: admitted === 1, aheadUs };
    },
    refund: async (subject, rule) => {
      await ask('refund', subject, rule);
    },
    drain: async () => {
      await line.run([emptyKey, emptyKey], ['drain']);
    },
    close: () => {
      line.close();
      return Promise.resolve();
    },
  };
}
