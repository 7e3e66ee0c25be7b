/** Calls of the HTTP API of Vault and OpenBao, with errors as ours. */
import type { z } from 'zod';
import { SealError } from '../../../core/errors.ts';
import { findJson, type KeyService, parseReply, type ServiceReply, toMalformed } from '../service.ts';
import type { TokenSource } from '../token.ts';

export interface VaultClient {
  readonly host: string;
  /**
   * @param path below `/v1/`
   * @param body JSON; wiped afterwards
   * @param schema of a reply with content; undefined where none is looked at
   * @param take sees the reply's bytes before they are parsed, and takes a key out of them
   * @throws SealError KEY_VERSION_GONE | KEY_REFUSED | KEY_SERVICE_MISSING | KEY_CREDENTIALS_REFUSED |
   *   KEY_PROVIDER_UNAVAILABLE | KEY_SERVICE_MALFORMED
   */
  call<T>(request: VaultRequest, schema: z.ZodType<T>, take?: (body: Uint8Array) => void): Promise<T>;
  close(): void;
}

export interface VaultRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: Uint8Array;
}

export interface VaultClientOptions {
  readonly service: KeyService;
  readonly tokens: TokenSource;
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>;
}

export function createVaultClient({ service, tokens, headers }: VaultClientOptions): VaultClient {
  return {
    host: service.host,
    call: async ({ method, path, body }, schema, take) => {
      const reply = await service.send({
        method,
        path: `/v1/${path}`,
        headers: { ...headers, 'x-vault-token': await tokens.get() },
        ...(body === undefined ? {} : { body }),
      });
      try {
        if (reply.status === 204) return parseReply({ ...reply, body: EMPTY }, schema, service.host);
        if (reply.status !== 200) throw toVaultError(reply, service.host, tokens);
        take?.(reply.body);
        return parseReply(reply, schema, service.host);
      } finally {
        reply.body.fill(0);
      }
    },
    close: () => {
      service.close();
    },
  };
}

/** `{}`. */
const EMPTY = Uint8Array.of(0x7b, 0x7d);

/**
 * Vault tells its reasons in words only. Those that are looked for are fixed texts of its source (sdk/helper/keysutil and
 * sdk/logical); what they are found in stays outside.
 */
const REASONS: readonly (readonly [text: string, reason: string])[] = [
  ['disallowed by policy (too old)', 'too old'],
  ['version is too new', 'too new'],
  ['invalid token', 'invalid token'],
  ['permission denied', 'permission denied'],
  ['message authentication failed', 'authentication'],
  ['encryption key not found', 'no key'],
];

function toVaultError(reply: ServiceReply, host: string, tokens: TokenSource): SealError {
  const told = findJson(reply.body) as { readonly errors?: unknown } | null | undefined;
  const errors = Array.isArray(told?.errors) ? told.errors.filter((each) => typeof each === 'string').join('\n') : null;
  if (errors === null) return toMalformed({ host, status: reply.status });
  const reason = REASONS.find(([text]) => errors.includes(text))?.[1] ?? 'other';
  const fields = { host, status: reply.status, reason };
  // The token may have been renewed or revoked meanwhile; the next call looks for another.
  if (reply.status === 403) tokens.drop();
  if (reason === 'invalid token') return new SealError('KEY_CREDENTIALS_REFUSED', { fields });
  if (reason === 'too old' || reason === 'too new') return new SealError('KEY_VERSION_GONE', { fields });
  if (reply.status === 404 || reason === 'no key') return new SealError('KEY_SERVICE_MISSING', { fields });
  // A standby that has not seen the newest state yet.
  if (reply.status === 412) return new SealError('KEY_PROVIDER_UNAVAILABLE', { fields });
  return new SealError('KEY_REFUSED', { fields });
}
