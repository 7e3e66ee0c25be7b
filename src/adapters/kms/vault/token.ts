/** Tokens of Vault and OpenBao: out of a file, or by AppRole. */
import { join } from 'node:path';
import { z } from 'zod';
import { utf8, zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { KeyUriOf } from '../../../seal/ports.ts';
import type { ProviderPorts } from '../provider.ts';
import { type KeyService, parseReply } from '../service.ts';
import { type AccessToken, createTokenSource, isHeaderValue, type TokenSource } from '../token.ts';

const roleFile = z.strictObject({
  role_id: z.string().min(1).max(512),
  secret_id: z.string().min(1).max(4096),
  /** Where the method is mounted below `auth/`. */
  mount: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/)
    .default('approle'),
});

const loginReply = z.object({
  auth: z.object({
    client_token: z.string().refine(isHeaderValue),
    lease_duration: z.number().min(0),
  }),
});

export interface VaultTokenOptions {
  readonly ports: Pick<ProviderPorts, 'clock' | 'files'>;
  readonly uri: KeyUriOf<'vault'>;
  readonly service: KeyService;
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Nothing is read or asked before the first token is needed.
 * @throws SealError (from `get`) KEY_CREDENTIALS_MISSING | KEY_CREDENTIALS_INVALID | KEY_CREDENTIALS_UNSAFE |
 *   KEY_CREDENTIALS_REFUSED | KEY_PROVIDER_UNAVAILABLE
 */
export function createVaultTokens(options: VaultTokenOptions): TokenSource {
  const { ports, uri } = options;
  const { tokenPath, appRolePath } = uri;
  return createTokenSource(ports.clock, () =>
    appRolePath === null
      ? Promise.resolve(readToken(tokenPath ?? join(ports.files.home, '.vault-token'), options))
      : logIn(appRolePath, options),
  );
}

function readSecret(path: string, { ports }: VaultTokenOptions): string {
  const bytes = ports.files.findSecret(path);
  if (bytes === null) throw new SealError('KEY_CREDENTIALS_MISSING', { fields: { service: 'vault' } });
  const text = new TextDecoder().decode(bytes);
  zeroize(bytes);
  return text;
}

/** Read again when it was refused: an agent of Vault may have renewed it. */
function readToken(path: string, options: VaultTokenOptions): AccessToken {
  const value = readSecret(path, options).trim();
  if (!isHeaderValue(value)) throw toInvalid();
  return { value, expiresAtMs: null };
}

async function logIn(path: string, options: VaultTokenOptions): Promise<AccessToken> {
  const { service, headers, ports } = options;
  const { mount, role_id, secret_id } = parseRole(readSecret(path, options));
  const body = utf8(JSON.stringify({ role_id, secret_id }));
  const reply = await service.send({ method: 'POST', path: `/v1/auth/${mount}/login`, headers, body });
  if (reply.status !== 200) {
    const fields = { service: 'vault', host: service.host, status: reply.status };
    throw new SealError('KEY_CREDENTIALS_REFUSED', { fields });
  }
  const { client_token: value, lease_duration: seconds } = parseReply(reply, loginReply, service.host).auth;
  // A lease of 0 has no end.
  return { value, expiresAtMs: seconds === 0 ? null : ports.clock.nowMs() + seconds * 1000 };
}

function parseRole(text: string): z.infer<typeof roleFile> {
  try {
    return roleFile.parse(JSON.parse(text));
  } catch {
    // No cause: it quotes its input.
    throw toInvalid();
  }
}

function toInvalid(): SealError {
  return new SealError('KEY_CREDENTIALS_INVALID', { fields: { service: 'vault' } });
}
