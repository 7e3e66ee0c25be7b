/** Rates counted in Redis or Valkey, for several machines: one script, one number for each caller, the clock of the server. */
import { crc32 } from 'node:zlib';
import type { GcraRule, RateCounter } from '../../gateway/ports.ts';
import { openRedisLine, type RedisLineOptions } from './client.ts';

export { parseRedisAddress, type RedisAddress } from './address.ts';

export interface RedisCounterOptions extends RedisLineOptions {
  /** Before all keys: gateways with other keys of callers need another one. */
  readonly prefix?: string;
}

export interface RedisCounter extends RateCounter {
  /** A server without a memory begins with nothing left for anybody: with this now, and not with its first caller. */
  begin(): Promise<void>;
}

/** Nobody's. */
const NOBODY = { subject: '-', rule: { intervalUs: 1, toleranceUs: 0 } };

/**
 * Does not wait for the server: until it answers, every question is a failure.
 * @throws GatewayError LIMITS_PACKAGE_MISSING
 */
export async function openRedisCounter(options: RedisCounterOptions): Promise<RedisCounter> {
  const { prefix = 'modelward:rate:', isCluster = false } = options;
  const line = await openRedisLine(options);
  const parts = isCluster ? CLUSTER_PARTS.map((part) => `${prefix}{${part}}:`) : [prefix];
  const toPart = (subject: string): string => parts[parts.length === 1 ? 0 : crc32(subject) % parts.length];
  const ask = (part: string, kind: 'take' | 'refund', { subject, rule }: { subject: string; rule: GcraRule }) =>
    line.run([`${part}of:${subject}`, `${part}empty`], [kind, rule.intervalUs, rule.toleranceUs]);
  const askAll = async (one: (part: string) => Promise<unknown>): Promise<void> => {
    await Promise.all(parts.map(one));
  };
  return {
    begin: () => askAll((part) => ask(part, 'take', NOBODY)),
    take: async (subject, rule) => {
      const [admitted, aheadUs] = await ask(toPart(subject), 'take', { subject, rule });
      return { isAdmitted: admitted === 1, aheadUs };
    },
    refund: async (subject, rule) => {
      await ask(toPart(subject), 'refund', { subject, rule });
    },
    drain: () => askAll((part) => line.run([`${part}empty`, `${part}empty`], ['drain'])),
    close: () => {
      line.close();
      return Promise.resolve();
    },
  };
}

/**
 * A script of a cluster has all its keys in one slot, which is that of what stands in braces (Redis cluster specification, "Hash
 * tags"): callers fall into parts, each with its own moment when nobody had anything left, which lie on all its servers.
 */
const CLUSTER_PARTS = Array.from({ length: 64 }, (_, part) => part);
