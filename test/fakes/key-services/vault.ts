/**
 * Vault's transit engine with AppRole, as far as its documentation tells. It really wraps, with a key per context derived by
 * HKDF as transit does, checks token, namespace and paths, and answers with the texts of Vault's source.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { type Asked, serve, type TestServer } from '../../endpoint-server.ts';

interface FakeKey {
  readonly derived: boolean;
  readonly type: string;
  readonly keks: Buffer[];
  oldest: number;
}

export interface FakeVault extends TestServer {
  readonly roleFile: string;
  readonly token: string;
  /** Logins by AppRole. */
  readonly logins: number[];
  /** Operations below the mount in the order of their calls, such as "encrypt". */
  readonly operations: string[];
  failNext(failure: { readonly status: number; readonly body: unknown }): void;
  addKey(kind?: { readonly derived?: boolean; readonly type?: string }): string;
  /** Ends all tokens that AppRole gave. */
  endLeases(): void;
}

export interface FakeVaultOptions {
  readonly namespace?: string;
  readonly tls?: { readonly key: Buffer; readonly cert: Buffer };
}

class VaultFault extends Error {
  readonly httpStatus: number;
  readonly errors: readonly string[];
  constructor(httpStatus: number, ...errors: string[]) {
    super('internal error: the fake answers with an error');
    this.httpStatus = httpStatus;
    this.errors = errors;
  }
}

export async function serveFakeVault({ namespace, tls }: FakeVaultOptions = {}): Promise<FakeVault> {
  const keys = new Map<string, FakeKey>();
  const role = { role_id: 'role-1', secret_id: randomBytes(16).toString('hex') };
  const token = `hvs.${randomBytes(12).toString('hex')}`;
  const leases = new Set<string>();
  const logins: number[] = [];
  const operations: string[] = [];
  const failures: { status: number; body: unknown }[] = [];
  const answer = (asked: Asked, response: ServerResponse): unknown => {
    if (asked.headers['x-vault-request'] !== 'true' || asked.headers['x-vault-namespace'] !== namespace) {
      throw new VaultFault(404, 'no handler for route');
    }
    if (asked.path === '/v1/auth/approle/login') {
      const { role_id, secret_id } = asked.body as typeof role;
      if (role_id !== role.role_id || secret_id !== role.secret_id)
        throw new VaultFault(400, 'invalid role or secret ID');
      const leased = `hvs.${randomBytes(12).toString('hex')}`;
      leases.add(leased);
      logins.push(leases.size);
      return { auth: { client_token: leased, lease_duration: 2764800, renewable: true } };
    }
    const given = String(asked.headers['x-vault-token']);
    if (given !== token && !leases.has(given)) {
      throw new VaultFault(403, '2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n');
    }
    const failure = failures.shift();
    if (failure !== undefined) {
      response.statusCode = failure.status;
      return failure.body;
    }
    return route(keys, asked, { operations, response });
  };
  const server = await serve((asked, response) => {
    try {
      return answer(asked, response);
    } catch (error) {
      if (!(error instanceof VaultFault)) throw error;
      response.statusCode = error.httpStatus;
      return { errors: error.errors };
    }
  }, tls);
  return {
    ...server,
    roleFile: JSON.stringify(role),
    token,
    logins,
    operations,
    failNext: (failure) => failures.push(failure),
    addKey: ({ derived = true, type = 'aes256-gcm96' } = {}) => {
      const name = `model-${keys.size + 1}`;
      keys.set(name, { derived, type, keks: [randomBytes(32)], oldest: 1 });
      return name;
    },
    endLeases: () => {
      leases.clear();
    },
  };
}

interface Given {
  readonly plaintext: string;
  readonly ciphertext: string;
  readonly context: string;
  readonly min_decryption_version: number;
}

function route(
  keys: ReadonlyMap<string, FakeKey>,
  { method, path, body }: Asked,
  { operations, response }: { operations: string[]; response: ServerResponse },
): unknown {
  const match = /^\/v1\/eng\/transit\/(keys|encrypt|decrypt|rewrap)\/([a-z0-9-]+)(?:\/(rotate|config))?$/.exec(path);
  if (match === null) throw new VaultFault(404, 'no handler for route');
  const [, area, name, verb = ''] = match as readonly (string | undefined)[];
  const key = keys.get(name ?? '');
  const given = body as Given;
  operations.push(verb === '' ? (area ?? '') : verb);
  if (area === 'keys') {
    if (key === undefined) throw new VaultFault(404);
    if (method === 'GET') return { data: describe(key) };
    if (verb === 'rotate') key.keks.push(randomBytes(32));
    else key.oldest = given.min_decryption_version;
    response.statusCode = 204;
    response.end();
    return undefined;
  }
  if (key === undefined) throw new VaultFault(400, 'encryption key not found');
  // What the real engine does not do without a context, and what it does not look at.
  if (key.derived && !given.context) throw new VaultFault(400, "missing 'context' for key derivation");
  const context = key.derived ? Buffer.from(given.context, 'base64') : Buffer.alloc(0);
  if (area === 'encrypt')
    return { data: { ciphertext: encrypt(key, Buffer.from(given.plaintext, 'base64'), context) } };
  const plain = decrypt(key, given.ciphertext, context);
  if (area === 'rewrap') return { data: { ciphertext: encrypt(key, plain, context) } };
  return { request_id: 'x', lease_id: '', data: { plaintext: plain.toString('base64') } };
}

function describe({ type, derived, keks, oldest }: FakeKey): unknown {
  return {
    type,
    derived,
    latest_version: keks.length,
    min_decryption_version: oldest,
    min_encryption_version: 0,
    keys: Object.fromEntries(
      keks.slice(oldest - 1).map((_, index) => [String(index + oldest), 1_790_000_000 + index + oldest]),
    ),
    supports_derivation: true,
  };
}

function toKek(key: FakeKey, version: number, context: Buffer): Buffer {
  const kek = key.keks[version - 1];
  return key.derived ? Buffer.from(hkdfSync('sha256', kek, Buffer.alloc(0), context, 32)) : kek;
}

function encrypt(key: FakeKey, plain: Buffer, context: Buffer): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', toKek(key, key.keks.length, context), iv);
  const sealed = Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return `vault:v${key.keks.length}:${sealed.toString('base64')}`;
}

function decrypt(key: FakeKey, ciphertext: string, context: Buffer): Buffer {
  const [, number = '', text = ''] = /^vault:v(\d+):(.*)$/.exec(ciphertext) ?? [];
  const version = Number(number);
  if (version === 0) throw new VaultFault(400, 'invalid ciphertext: no prefix');
  if (version > key.keks.length) throw new VaultFault(400, 'invalid ciphertext: version is too new');
  if (version < key.oldest)
    throw new VaultFault(400, 'ciphertext or signature version is disallowed by policy (too old)');
  const sealed = Buffer.from(text, 'base64');
  if (sealed.length < 28) throw new VaultFault(400, 'invalid ciphertext length');
  try {
    const decipher = createDecipheriv('aes-256-gcm', toKek(key, version, context), sealed.subarray(0, 12), {
      authTagLength: 16,
    }).setAuthTag(sealed.subarray(-16));
    return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
  } catch {
    throw new VaultFault(400, 'cipher: message authentication failed');
  }
}
