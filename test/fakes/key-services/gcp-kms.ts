/**
 * Google Cloud KMS with its token endpoint, as far as its documentation tells. It really wraps with AES-256-GCM, checks the
 * JWT's signature and claims, the token, every path and CRC-32C, and answers as the API does.
 */
import { createCipheriv, createDecipheriv, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { crc32c } from '../../../src/core/crc32c.ts';
import { type Asked, serve, type TestServer } from '../../endpoint-server.ts';
import { createScript, type Script } from './script.ts';

interface FakeVersion {
  readonly kek: Buffer;
  state: 'PENDING_GENERATION' | 'ENABLED' | 'DISABLED';
  readonly createTime: string;
}

interface FakeKey {
  readonly purpose: string;
  readonly versions: FakeVersion[];
  primary: number;
}

export interface FakeGcpKms extends TestServer, Script {
  /** What a service account's key file holds. */
  readonly keyFile: string;
  /** Tokens that were handed out. */
  readonly tokens: string[];
  addKey(purpose?: string): string;
}

const RING = 'projects/p-1/locations/europe-west1/keyRings/ring';

class GcpFault extends Error {
  readonly status: string;
  readonly httpStatus: number;
  constructor(httpStatus: number, status: string) {
    super(`internal error: the fake answers ${status}`);
    this.httpStatus = httpStatus;
    this.status = status;
  }
}

/** Of the service account; made once, since it takes longer than all tests of a fake. */
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

export async function serveFakeGcpKms(): Promise<FakeGcpKms> {
  const keys = new Map<string, FakeKey>();
  const tokens: string[] = [];
  const script = createScript();
  const answer = (asked: Asked, response: ServerResponse): unknown => {
    if (asked.path === '/token') {
      assertAssertion(String(asked.body), { publicKey, audience: `${server.url}/token` });
      const token = script.giveToken();
      tokens.push(token);
      return { access_token: token, expires_in: 3599, token_type: 'Bearer' };
    }
    if (!script.isToken(asked.headers.authorization)) throw new GcpFault(401, 'UNAUTHENTICATED');
    return script.play(response, () => route(keys, asked));
  };
  const server = await serve((asked, response) => {
    try {
      return answer(asked, response);
    } catch (error) {
      if (!(error instanceof GcpFault)) throw error;
      response.statusCode = error.httpStatus;
      return { error: { code: error.httpStatus, message: 'CANARY of the service', status: error.status } };
    }
  });
  const keyFile = {
    type: 'service_account',
    project_id: 'p-1',
    private_key_id: 'kid-1',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: 'opener@p-1.iam.gserviceaccount.com',
    token_uri: `${server.url}/token`,
  };
  return {
    ...server,
    ...script,
    keyFile: JSON.stringify(keyFile),
    tokens,
    addKey: (purpose = 'ENCRYPT_DECRYPT') => {
      const name = `${RING}/cryptoKeys/key-${keys.size + 1}`;
      keys.set(name, { purpose, versions: [], primary: 1 });
      addVersion(keys.get(name)!).state = 'ENABLED';
      return name;
    },
  };
}

function addVersion(key: FakeKey): FakeVersion {
  const createTime = `2026-01-0${key.versions.length + 1}T00:00:00.123456789Z`;
  const version: FakeVersion = { kek: randomBytes(32), state: 'PENDING_GENERATION', createTime };
  key.versions.push(version);
  return version;
}

function assertAssertion(
  body: string,
  { publicKey, audience }: { publicKey: Parameters<typeof verify>[2]; audience: string },
): void {
  const form = new URLSearchParams(body);
  const [header = '', claims = '', signature = ''] = (form.get('assertion') ?? '').split('.');
  const read = (part: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(part, 'base64url').toString()) as never;
  const signed = verify('sha256', Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, 'base64url'));
  const { iss, aud, scope, iat, exp } = read(claims);
  const isRight =
    form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer' &&
    read(header).alg === 'RS256' &&
    iss === 'opener@p-1.iam.gserviceaccount.com' &&
    aud === audience &&
    scope === 'https://www.googleapis.com/auth/cloudkms' &&
    Number(exp) - Number(iat) <= 3600;
  if (!signed || !isRight) throw new GcpFault(400, 'INVALID_ARGUMENT');
}

function route(keys: ReadonlyMap<string, FakeKey>, { method, path, body }: Asked): unknown {
  const url = new URL(path, 'http://x');
  const match = /^\/v1\/(.*\/cryptoKeys\/[^/:]+)(\/cryptoKeyVersions)?(?:\/(\d+))?(?::(\w+))?$/.exec(url.pathname);
  const name = match?.[1] ?? '';
  const key = keys.get(name);
  if (match === null || key === undefined) throw new GcpFault(404, 'NOT_FOUND');
  const [, , isVersions, number, verb] = match as readonly (string | undefined)[];
  const given = body as Readonly<Record<string, string>>;
  const versionName = (version: number): string => `${name}/cryptoKeyVersions/${version}`;
  const toVersion = (version: number): unknown => {
    const { state, createTime } = findVersion(key, version);
    return { name: versionName(version), state, createTime };
  };
  switch (
    `${method} ${isVersions === undefined ? 'key' : number === undefined ? 'versions' : 'version'} ${verb ?? ''}`
  ) {
    case 'GET key ':
      return {
        name,
        purpose: key.purpose,
        ...(key.purpose === 'ENCRYPT_DECRYPT' && { primary: toVersion(key.primary) }),
      };
    case 'GET versions ': {
      const from = Number(url.searchParams.get('pageToken') ?? 0);
      const cryptoKeyVersions = key.versions.map((_, at) => toVersion(at + 1)).slice(from, from + 2);
      return { cryptoKeyVersions, nextPageToken: from + 2 < key.versions.length ? String(from + 2) : '' };
    }
    case 'GET version ':
      findVersion(key, Number(number)).state = 'ENABLED';
      return toVersion(Number(number));
    case 'POST versions ':
      addVersion(key);
      return toVersion(key.versions.length);
    case 'PATCH version ':
      if (url.searchParams.get('updateMask') !== 'state') throw new GcpFault(400, 'INVALID_ARGUMENT');
      findVersion(key, Number(number)).state = given.state as FakeVersion['state'];
      return toVersion(Number(number));
    case 'POST key updatePrimaryVersion':
      key.primary = Number(given.cryptoKeyVersionId);
      return { name, purpose: key.purpose, primary: toVersion(key.primary) };
    case 'POST version encrypt':
      return { name: versionName(Number(number)), ...encrypt(findVersion(key, Number(number)), Number(number), given) };
    case 'POST key decrypt':
      return decrypt(key, given);
    default:
      throw new GcpFault(404, 'NOT_FOUND');
  }
}

function findVersion(key: FakeKey, version: number): FakeVersion {
  if (version < 1 || version > key.versions.length) throw new GcpFault(404, 'NOT_FOUND');
  return key.versions[version - 1];
}

/** The bytes of a member whose checksum was sent along and is right. */
function readChecked(given: Readonly<Record<string, string>>, member: string): Buffer {
  const bytes = Buffer.from(given[member], 'base64');
  if (given[`${member}Crc32c`] !== String(crc32c(bytes))) throw new GcpFault(400, 'INVALID_ARGUMENT');
  return bytes;
}

function encrypt(
  version: FakeVersion,
  number: number,
  given: Readonly<Record<string, string>>,
): Record<string, unknown> {
  if (version.state !== 'ENABLED') throw new GcpFault(400, 'FAILED_PRECONDITION');
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', version.kek, iv);
  cipher.setAAD(readChecked(given, 'additionalAuthenticatedData'));
  const sealed = Buffer.concat([cipher.update(readChecked(given, 'plaintext')), cipher.final()]);
  const ciphertext = Buffer.concat([Buffer.of(number), iv, sealed, cipher.getAuthTag()]);
  return {
    ciphertext: ciphertext.toString('base64'),
    ciphertextCrc32c: String(crc32c(ciphertext)),
    verifiedPlaintextCrc32c: true,
    verifiedAdditionalAuthenticatedDataCrc32c: true,
    protectionLevel: 'SOFTWARE',
  };
}

function decrypt(key: FakeKey, given: Readonly<Record<string, string>>): unknown {
  const ciphertext = readChecked(given, 'ciphertext');
  const aad = readChecked(given, 'additionalAuthenticatedData');
  const version = key.versions.at((ciphertext.at(0) ?? 0) - 1);
  if (ciphertext.length < 30 || ciphertext[0] === 0 || version === undefined)
    throw new GcpFault(400, 'INVALID_ARGUMENT');
  if (version.state !== 'ENABLED') throw new GcpFault(400, 'FAILED_PRECONDITION');
  try {
    const decipher = createDecipheriv('aes-256-gcm', version.kek, ciphertext.subarray(1, 13), { authTagLength: 16 });
    decipher.setAAD(aad).setAuthTag(ciphertext.subarray(-16));
    const plaintext = Buffer.concat([decipher.update(ciphertext.subarray(13, -16)), decipher.final()]);
    return {
      plaintext: plaintext.toString('base64'),
      plaintextCrc32c: String(crc32c(plaintext)),
      usedPrimary: true,
      protectionLevel: 'SOFTWARE',
    };
  } catch {
    throw new GcpFault(400, 'INVALID_ARGUMENT');
  }
}
