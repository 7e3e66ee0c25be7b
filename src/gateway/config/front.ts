/** What the listener of callers holds, and for how long. */
import { z } from 'zod';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import type { HTTP_FRONT_LIMITS } from '../../core/limits/http-front.ts';

/** Members of `limits`. */
export const frontShape = {
  /** At a time; a quarter of them for one peer, and a proxy is one. */
  connections: z.int().min(16).max(1_000_000).default(GATEWAY_LIMITS.connectionsMax),
  /** Of all bodies that are in memory. */
  bodiesBytesMax: z
    .int()
    .min(1)
    .max(2 ** 40)
    .default(GATEWAY_LIMITS.bodiesBytesMax),
  /** From the end of the headers to the end of the body. */
  requestTimeoutMs: z.int().min(100).max(3_600_000).default(GATEWAY_LIMITS.requestTimeoutMs),
  idleTimeoutMs: z.int().min(100).max(3_600_000).default(GATEWAY_LIMITS.idleTimeoutMs),
};

/** Beside what models and servers may take: to wait for a thread, to seal, to write a row. */
const OWN_MS = 5000;

type Room = Readonly<Record<'bodyBytesMax' | keyof typeof frontShape, number>>;

type Patience = Readonly<Record<'waitTimeoutMs' | 'connectTimeoutMs' | 'headersTimeoutMs' | 'answerTimeoutMs', number>>;

/** Of a configuration, what is behind the front and how long it may take. */
interface Behind {
  readonly limits: Room;
  readonly models: readonly { readonly runTimeoutMs: number }[];
  readonly upstreams: readonly { readonly limits: Patience }[];
}

type FrontLimits = { readonly [Name in keyof typeof HTTP_FRONT_LIMITS]?: number };

/** What a front has in place of its own limits. Its patience for an answer outlives that of every model and server. */
export function toFrontLimits({ limits, models, upstreams }: Behind): FrontLimits {
  const { bodyBytesMax, bodiesBytesMax, requestTimeoutMs, idleTimeoutMs } = limits;
  const ofServers = upstreams.map(
    ({ limits: { waitTimeoutMs, connectTimeoutMs, headersTimeoutMs, answerTimeoutMs } }) => {
      return waitTimeoutMs + connectTimeoutMs + Math.max(headersTimeoutMs, answerTimeoutMs);
    },
  );
  const ofModels = models.map(({ runTimeoutMs }) => runTimeoutMs);
  const answerTimeoutMs = Math.max(GATEWAY_LIMITS.answerTimeoutMs, ...ofServers, ...ofModels) + OWN_MS;
  return {
    bodyBytesMax,
    bodiesBytesMax,
    requestTimeoutMs,
    idleTimeoutMs,
    answerTimeoutMs,
    connectionsMax: limits.connections,
  };
}

/** Members that no request could pass. */
export function findFrontFaults({
  bodyBytesMax,
  bodiesBytesMax,
}: Pick<Room, 'bodyBytesMax' | 'bodiesBytesMax'>): readonly string[] {
  return bodiesBytesMax < bodyBytesMax ? ['limits.bodiesBytesMax: less than limits.bodyBytesMax'] : [];
}
