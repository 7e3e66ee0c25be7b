/**
 * AWS KMS as far as its documentation tells, for what moto does not do: key materials, their ids, rotation that ends later.
 * It really wraps, checks the signature of each request and the encryption context, and answers as the API does.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes, randomUUID } from 'node:crypto';
import { type SigV4Credentials, signSigV4 } from '../../../src/core/sigv4.ts';
import { type Asked, serve, type TestServer } from '../../endpoint-server.ts';

interface FakeKey {
  readonly id: string;
  readonly usage: string;
  /** The last one wraps. */
  readonly materials: { readonly id: string; readonly kek: Buffer; readonly createdAt: number }[];
  state: 'Enabled' | 'Disabled';
  /** Material that becomes the current one after so many more looks at the key. */
  pendingLooks: number;
}

export interface FakeAwsKms extends TestServer {
  readonly credentials: SigV4Credentials;
  /** Actions in the order of their calls. */
  readonly actions: string[];
  /** Answers the next call with this error, or with a reply of its own. */
  failNext(failure: { readonly status: number; readonly body: unknown }): void;
  addKey(usage?: string): string;
  /** Points `alias/NAME` at a key. */
  pointAlias(alias: string, arn: string): void;
  rotateBehindTheBack(arn: string): void;
}

const PLACE = 'arn:aws:kms:eu-west-1:111122223333:';

class AwsFault extends Error {
  readonly type: string;
  constructor(type: string) {
    super(`internal error: the fake answers ${type}`);
    this.type = type;
  }
}

export async function serveFakeAwsKms(): Promise<FakeAwsKms> {
  const credentials = { accessKeyId: 'AKIAFAKE', secretAccessKey: randomBytes(20).toString('hex'), sessionToken: 'st' };
  const keys = new Map<string, FakeKey>();
  const actions: string[] = [];
  const failures: { status: number; body: unknown }[] = [];
  const server = await serve((asked, response) => {
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    try {
      assertSigned(asked, credentials);
      const action = String(asked.headers['x-amz-target']).replace('TrentService.', '');
      actions.push(action);
      const failure = failures.shift();
      if (failure !== undefined) {
        response.statusCode = failure.status;
        return failure.body;
      }
      return answer(keys, action, asked.body as Body);
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      response.statusCode = 400;
      return { __type: error.type, message: 'CANARY of the service' };
    }
  });
  return {
    ...server,
    credentials,
    actions,
    failNext: (failure) => {
      failures.push(failure);
    },
    addKey: (usage = 'ENCRYPT_DECRYPT') => {
      const id = randomUUID();
      keys.set(id, { id, usage, materials: [], state: 'Enabled', pendingLooks: 0 });
      addMaterial(findKey(keys, id));
      return `${PLACE}key/${id}`;
    },
    pointAlias: (alias, arn) => {
      keys.set(alias, findKey(keys, arn));
    },
    rotateBehindTheBack: (arn) => {
      addMaterial(findKey(keys, arn));
    },
  };
}

function assertSigned({ headers, path, body }: Asked, credentials: SigV4Credentials): void {
  const given = String(headers.authorization);
  const names = /SignedHeaders=([^,]+),/.exec(given)?.[1].split(';') ?? [];
  for (const needed of ['host', 'x-amz-date', 'x-amz-target', 'content-type', 'x-amz-security-token']) {
    if (!names.includes(needed)) throw new AwsFault('IncompleteSignature');
  }
  // What signSigV4 makes of the same request is checked against AWS's vectors and botocore elsewhere.
  const date = String(headers['x-amz-date']);
  const nowMs = Date.parse(date.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
  const signed = Object.fromEntries(
    names.filter((name) => !/^x-amz-(date|security-token)$/.test(name)).map((name) => [name, String(headers[name])]),
  );
  const bodySha256 = createHash('sha256').update(JSON.stringify(body)).digest('hex');
  const scope = { region: 'eu-west-1', service: 'kms', nowMs, credentials };
  const again = signSigV4({ method: 'POST', path, headers: signed, bodySha256 }, scope);
  if (again.authorization !== given) throw new AwsFault('InvalidSignatureException');
}

function addMaterial(key: FakeKey): void {
  const id = createHash('sha256').update(randomBytes(16)).digest('hex');
  key.materials.push({ id, kek: randomBytes(32), createdAt: 1_790_000_000 + key.materials.length });
}

function findKey(keys: ReadonlyMap<string, FakeKey>, name: string): FakeKey {
  const key = keys.get(name.replace(PLACE, '').replace(/^key\//, ''));
  if (key === undefined) throw new AwsFault('NotFoundException');
  return key;
}

interface Body {
  readonly KeyId: string;
  readonly SourceKeyId: string;
  readonly DestinationKeyId: string;
  readonly Plaintext: string;
  readonly CiphertextBlob: string;
  readonly EncryptionContext: Readonly<Record<string, string>>;
  readonly SourceEncryptionContext: Readonly<Record<string, string>>;
  readonly DestinationEncryptionContext: Readonly<Record<string, string>>;
  readonly Marker?: string;
}

function answer(keys: ReadonlyMap<string, FakeKey>, action: string, body: Body): unknown {
  switch (action) {
    case 'DescribeKey':
      return toMetadata(findKey(keys, body.KeyId));
    case 'ListKeyRotations': {
      const { materials } = findKey(keys, body.KeyId);
      const all = materials.slice(0, materials.length - (findKey(keys, body.KeyId).pendingLooks > 0 ? 1 : 0));
      const from = Number(body.Marker ?? 0);
      const Rotations = all.slice(from, from + 2).map(({ id, createdAt }, index) => ({
        KeyId: body.KeyId,
        KeyMaterialId: id,
        ...(from + index === 0 ? {} : { RotationDate: createdAt, RotationType: 'ON_DEMAND' }),
        KeyMaterialState: from + index === all.length - 1 ? 'CURRENT' : 'NON_CURRENT',
      }));
      return from + 2 < all.length ? { Rotations, Truncated: true, NextMarker: String(from + 2) } : { Rotations };
    }
    case 'Encrypt':
      return encrypt(findUsable(keys, body.KeyId), Buffer.from(body.Plaintext, 'base64'), body.EncryptionContext);
    case 'Decrypt': {
      const { key, plain, materialId } = decrypt(keys, body, body.KeyId, body.EncryptionContext);
      return { KeyId: `${PLACE}key/${key.id}`, Plaintext: plain.toString('base64'), KeyMaterialId: materialId };
    }
    case 'ReEncrypt': {
      const { key, plain, materialId } = decrypt(keys, body, body.SourceKeyId, body.SourceEncryptionContext);
      const to = findUsable(keys, body.DestinationKeyId);
      const source = { SourceKeyId: `${PLACE}key/${key.id}`, SourceKeyMaterialId: materialId };
      return { ...encrypt(to, plain, body.DestinationEncryptionContext), ...source };
    }
    case 'RotateKeyOnDemand': {
      const key = findUsable(keys, body.KeyId);
      addMaterial(key);
      key.pendingLooks = 2;
      return { KeyId: key.id };
    }
    case 'DisableKey':
      findKey(keys, body.KeyId).state = 'Disabled';
      return {};
    default:
      throw new AwsFault('UnknownOperationException');
  }
}

function findUsable(keys: ReadonlyMap<string, FakeKey>, name: string): FakeKey {
  const key = findKey(keys, name);
  if (key.state !== 'Enabled') throw new AwsFault('DisabledException');
  if (key.usage !== 'ENCRYPT_DECRYPT') throw new AwsFault('InvalidKeyUsageException');
  return key;
}

function toCurrent({ materials, pendingLooks }: FakeKey): FakeKey['materials'][number] {
  return materials[materials.length - (pendingLooks > 0 ? 2 : 1)];
}

function toMetadata(key: FakeKey): unknown {
  key.pendingLooks = Math.max(0, key.pendingLooks - 1);
  return {
    KeyMetadata: {
      Arn: `${PLACE}key/${key.id}`,
      KeyId: key.id,
      KeyState: key.state,
      KeyUsage: key.usage,
      KeySpec: key.usage === 'ENCRYPT_DECRYPT' ? 'SYMMETRIC_DEFAULT' : 'HMAC_256',
      CreationDate: 1_790_000_000.25,
      CurrentKeyMaterialId: toCurrent(key).id,
    },
  };
}

/** AWS compares contexts as maps: the order of their members does not count. */
function toAad(context: Readonly<Record<string, string>>): Buffer {
  return Buffer.from(JSON.stringify(Object.entries(context).sort()));
}

function encrypt(key: FakeKey, plain: Buffer, context: Readonly<Record<string, string>>): Record<string, string> {
  const { id, kek } = toCurrent(key);
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', kek, iv).setAAD(toAad(context));
  const head = Buffer.concat([Buffer.from(key.id.replaceAll('-', ''), 'hex'), Buffer.from(id, 'hex'), iv]);
  const blob = Buffer.concat([head, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64');
  return { CiphertextBlob: blob, KeyId: `${PLACE}key/${key.id}`, DestinationKeyMaterialId: id };
}

function decrypt(
  keys: ReadonlyMap<string, FakeKey>,
  body: Body,
  name: string,
  context: Readonly<Record<string, string>>,
) {
  const key = findUsable(keys, name);
  const blob = Buffer.from(body.CiphertextBlob, 'base64');
  if (blob.length < 77) throw new AwsFault('InvalidCiphertextException');
  if (blob.subarray(0, 16).toString('hex') !== key.id.replaceAll('-', '')) throw new AwsFault('IncorrectKeyException');
  const material = key.materials.find(({ id }) => id === blob.subarray(16, 48).toString('hex'));
  if (material === undefined) throw new AwsFault('InvalidCiphertextException');
  try {
    const decipher = createDecipheriv('aes-256-gcm', material.kek, blob.subarray(48, 60), { authTagLength: 16 });
    decipher.setAAD(toAad(context)).setAuthTag(blob.subarray(-16));
    const plain = Buffer.concat([decipher.update(blob.subarray(60, -16)), decipher.final()]);
    return { key, plain, materialId: material.id };
  } catch {
    throw new AwsFault('InvalidCiphertextException');
  }
}
