/** What a test lays down that a fake service answers instead of, or on top of, its own replies; and the tokens that it takes. */
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';

export interface Failure {
  readonly status: number;
  readonly body: unknown;
  readonly retryAfter?: string;
}

export interface Script {
  /** Answers the next call so. */
  failNext(failure: Failure): void;
  /** Changes the fake's own reply to the next call. */
  changeNext(change: (reply: Record<string, unknown>) => void): void;
  /** Makes all tokens invalid. */
  revokeTokens(): void;
}

export interface ScriptPlayer extends Script {
  /** A new token that is taken from now on. */
  giveToken(): string;
  isToken(authorization: string | undefined): boolean;
  /** The reply that the test laid down, else the fake's own. */
  play(response: ServerResponse, own: () => unknown): unknown;
}

export function createScript(): ScriptPlayer {
  const tokens = new Set<string>();
  const failures: Failure[] = [];
  const changes: ((reply: Record<string, unknown>) => void)[] = [];
  return {
    failNext: (failure) => failures.push(failure),
    changeNext: (change) => changes.push(change),
    revokeTokens: () => {
      tokens.clear();
    },
    giveToken: () => {
      const token = randomBytes(16).toString('hex');
      tokens.add(token);
      return token;
    },
    isToken: (authorization = '') => tokens.has(authorization.replace('Bearer ', '')),
    play: (response, own) => {
      const failure = failures.shift();
      if (failure !== undefined) {
        response.statusCode = failure.status;
        if (failure.retryAfter !== undefined) response.setHeader('retry-after', failure.retryAfter);
        return failure.body;
      }
      const reply = own() as Record<string, unknown>;
      changes.shift()?.(reply);
      return reply;
    },
  };
}
