/** Access tokens that end soon: asked for when they are needed, kept until shortly before their end. */
import { z } from 'zod';
import { SealError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { type KeyService, parseReply, type ServiceReply } from './service.ts';

/** What goes into a header; `value` is secret. */
export interface AccessToken {
  readonly value: string;
  /** Null for one that does not end. */
  readonly expiresAtMs: number | null;
}

export type TokenSource = Renewed<string>;

/** Renewed when less than this is left. */
const RENEW_BEFORE_MS = 60_000;

/** Something that is good for a while. */
interface Expiring {
  /** Null for what does not end. */
  readonly expiresAtMs: number | null;
}

/** Asked for when it is needed, kept until shortly before its end. */
export interface Renewed<T> {
  /** One for the next request. */
  readonly get: () => Promise<T>;
  /** The service did not take the last one: the next request asks for another. */
  readonly drop: () => void;
}

/** Of several requests at once one asks. @param renewBeforeMs asked for again when less than this is left */
export function createRenewed<T extends Expiring>(
  clock: Clock,
  ask: () => Promise<T>,
  renewBeforeMs: number,
): Renewed<T> {
  let held: Promise<T> | undefined;
  const use = async (asked: Promise<T>): Promise<T> => {
    try {
      return await asked;
    } catch (error) {
      if (held === asked) held = undefined;
      throw error;
    }
  };
  return {
    get: async () => {
      const last = held;
      const endsAtMs = last === undefined ? null : (await use(last)).expiresAtMs;
      if (endsAtMs !== null && endsAtMs - clock.nowMs() < renewBeforeMs && held === last) held = undefined;
      return use((held ??= ask()));
    },
    drop: () => {
      held = undefined;
    },
  };
}

/** @param ask for a token */
export function createTokenSource(clock: Clock, ask: () => Promise<AccessToken>): TokenSource {
  const { get, drop } = createRenewed(clock, ask, RENEW_BEFORE_MS);
  return { get: async () => (await get()).value, drop };
}

/** What may stand in a header: a line end would begin another one. */
export function isHeaderValue(value: string): boolean {
  return /^[\x21-\x7e]{1,16384}$/.test(value);
}

const oauthReply = z.object({
  access_token: z.string().refine(isHeaderValue),
  // Azure's metadata services write numbers as text, and one of them the end instead of the length.
  expires_in: z.coerce.number().min(0).max(864_000).optional(),
  expires_on: z.coerce.number().min(0).max(8e9).optional(),
});

/**
 * The token in an OAuth 2.0 reply (RFC 6749 5.1).
 * @throws SealError KEY_CREDENTIALS_REFUSED | KEY_SERVICE_MALFORMED
 */
export function parseOauthToken(reply: ServiceReply, at: { service: KeyService; clock: Clock }): AccessToken {
  const { host } = at.service;
  if (reply.status !== 200) {
    throw new SealError('KEY_CREDENTIALS_REFUSED', { fields: { host, status: reply.status } });
  }
  const { access_token: value, expires_in: inSeconds, expires_on: onSeconds = 0 } = parseReply(reply, oauthReply, host);
  // Without either it is good for this request only.
  return { value, expiresAtMs: inSeconds === undefined ? onSeconds * 1000 : at.clock.nowMs() + inSeconds * 1000 };
}
