/**
 * Azure Key Vault with its token endpoint, as far as its documentation tells. It really wraps with RSA-OAEP-256 (or AES key
 * wrap, as Managed HSM does), checks token, api-version, algorithm and paths, and answers as the API does.
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { type Asked, serve, type TestServer } from '../../endpoint-server.ts';
import { createScript, type Script } from './script.ts';

interface FakeVersion {
  readonly id: string;
  readonly created: number;
  readonly privateKey: KeyObject | null;
  readonly publicKey: KeyObject | null;
  readonly kek: Buffer;
  isEnabled: boolean;
}

interface FakeKey {
  readonly kty: string;
  readonly versions: FakeVersion[];
}

export interface FakeAzureKv extends TestServer, Script {
  /** What a file of credentials holds. */
  readonly credentialsFile: string;
  /** Forms that tokens were asked for with. */
  readonly forms: URLSearchParams[];
  addKey(kty?: string): string;
}

class AzureFault extends Error {
  readonly httpStatus: number;
  readonly code: string;
  readonly inner: string | undefined;
  constructor(httpStatus: number, code: string, inner?: string) {
    super(`internal error: the fake answers ${code}`);
    this.httpStatus = httpStatus;
    this.code = code;
    this.inner = inner;
  }
}

/** Made once for all keys: to make one takes longer than a test. */
const pairs = Array.from({ length: 3 }, () => generateKeyPairSync('rsa', { modulusLength: 2048 }));

export async function serveFakeAzureKv(): Promise<FakeAzureKv> {
  const keys = new Map<string, FakeKey>();
  const credentials = { tenantId: 'tenant-1', clientId: 'client-1', clientSecret: randomBytes(12).toString('hex') };
  const forms: URLSearchParams[] = [];
  const script = createScript();
  const answer = (asked: Asked, response: ServerResponse): unknown => {
    if (asked.path === '/tenant-1/oauth2/v2.0/token') {
      const form = new URLSearchParams(String(asked.body));
      forms.push(form);
      const isClient =
        form.get('client_id') === credentials.clientId && form.get('grant_type') === 'client_credentials';
      const isProven =
        form.get('client_secret') === credentials.clientSecret || form.get('client_assertion') === 'signed-by-cluster';
      if (!isClient || !isProven || form.get('scope') !== 'https://vault.azure.net/.default') {
        throw new AzureFault(401, 'invalid_client');
      }
      return { token_type: 'Bearer', access_token: script.giveToken(), expires_in: 3599, ext_expires_in: 3599 };
    }
    if (!script.isToken(asked.headers.authorization)) throw new AzureFault(401, 'Unauthorized');
    return script.play(response, () => route(keys, asked, server.url));
  };
  const server = await serve((asked, response) => {
    try {
      return answer(asked, response);
    } catch (error) {
      if (!(error instanceof AzureFault)) throw error;
      response.statusCode = error.httpStatus;
      const innererror = error.inner === undefined ? {} : { innererror: { code: error.inner } };
      return { error: { code: error.code, message: 'CANARY of the service', ...innererror } };
    }
  });
  return {
    ...server,
    ...script,
    credentialsFile: JSON.stringify(credentials),
    forms,
    addKey: (kty = 'RSA') => {
      const name = `model-${keys.size + 1}`;
      keys.set(name, { kty, versions: [] });
      addVersion(keys.get(name)!);
      return name;
    },
  };
}

function addVersion(key: FakeKey): void {
  const pair = pairs[key.versions.length % pairs.length];
  const isRsa = key.kty.startsWith('RSA');
  key.versions.push({
    id: randomBytes(16).toString('hex'),
    created: 1_790_000_000 + key.versions.length,
    privateKey: isRsa ? pair.privateKey : null,
    publicKey: isRsa ? pair.publicKey : null,
    kek: randomBytes(32),
    isEnabled: true,
  });
}

function route(
  keys: ReadonlyMap<string, FakeKey>,
  { method, path, body }: Asked,
  origin: string,
): Record<string, unknown> {
  const url = new URL(path, origin);
  if (url.searchParams.get('api-version') !== '7.4') throw new AzureFault(400, 'BadParameter');
  const [, area, name = '', third, operation] = url.pathname.split('/') as readonly (string | undefined)[];
  const key = keys.get(name.toLowerCase());
  if (area !== 'keys' || key === undefined) throw new AzureFault(404, 'KeyNotFound');
  const toBundle = ({ id, created, isEnabled }: FakeVersion): Record<string, unknown> => ({
    key: { kid: `${origin}/keys/${name}/${id}`, kty: key.kty, key_ops: ['wrapKey', 'unwrapKey'] },
    attributes: { enabled: isEnabled, created },
  });
  if (method === 'GET' && third === undefined) return toBundle(key.versions[key.versions.length - 1]);
  if (method === 'GET' && third === 'versions') return listVersions(key, { url, toBundle });
  if (method === 'POST' && third === 'rotate') {
    addVersion(key);
    return toBundle(key.versions[key.versions.length - 1]);
  }
  const version = key.versions.find(({ id }) => id === third);
  if (version === undefined) throw new AzureFault(404, 'KeyNotFound');
  if (method === 'PATCH') {
    version.isEnabled = (body as { attributes: { enabled: boolean } }).attributes.enabled;
    return toBundle(version);
  }
  if (!version.isEnabled) throw new AzureFault(403, 'Forbidden', 'KeyDisabled');
  const { alg, value } = body as { readonly alg: string; readonly value: string };
  if (alg !== (version.publicKey === null ? 'A256KW' : 'RSA-OAEP-256')) throw new AzureFault(400, 'BadParameter');
  const bytes = Buffer.from(value, 'base64url');
  const result = operation === 'wrapkey' ? wrap(version, bytes) : unwrap(version, bytes);
  return { kid: `${origin}/keys/${name}/${version.id}`, value: result.toString('base64url') };
}

function listVersions(
  key: FakeKey,
  { url, toBundle }: { url: URL; toBundle: (version: FakeVersion) => Record<string, unknown> },
): Record<string, unknown> {
  const from = Number(url.searchParams.get('$skiptoken') ?? 0);
  // Newest first, as nothing promises an order.
  const value = [...key.versions]
    .reverse()
    .slice(from, from + 2)
    .map((version) => {
      const { key: told, attributes } = toBundle(version);
      return { kid: (told as { kid: string }).kid, attributes };
    });
  const next = `${url.origin}${url.pathname}?api-version=7.4&$skiptoken=${from + 2}&maxresults=25`;
  return { value, nextLink: from + 2 < key.versions.length ? next : null };
}

const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const;
/** RFC 3394. */
const KW_IV = Buffer.alloc(8, 0xa6);

function wrap({ publicKey, kek }: FakeVersion, plain: Buffer): Buffer {
  if (publicKey !== null) return publicEncrypt({ key: publicKey, ...OAEP }, plain);
  const cipher = createCipheriv('aes256-wrap', kek, KW_IV);
  return Buffer.concat([cipher.update(plain), cipher.final()]);
}

function unwrap({ privateKey, kek }: FakeVersion, wrapped: Buffer): Buffer {
  try {
    if (privateKey !== null) return privateDecrypt({ key: privateKey, ...OAEP }, wrapped);
    const decipher = createDecipheriv('aes256-wrap', kek, KW_IV);
    return Buffer.concat([decipher.update(wrapped), decipher.final()]);
  } catch {
    throw new AzureFault(400, 'BadParameter');
  }
}
