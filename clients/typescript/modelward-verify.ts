/**
 * Checks answers of a Modelward gateway: one file, nothing but Node's own modules (20 or later). Copy it into your project.
 *
 *     const tag = readKeyFile(await readFile('acme.apikey.json', 'utf8'));
 *     verifyAnswer({ request: { method: 'POST', path: '/v2/models/fraud/infer', body }, status, headers, body: answer, keys: { tag } });
 *
 * What fails throws a ModelwardVerifyError whose `code` says what is wrong; the codes are those of `modelward verify-response`.
 * A tag shows you that nothing was changed on the way. You hold the same key, so it shows nothing to others: for them there
 * are signatures (`keys.publicKey`) and proofs of the log.
 */
import { createHash, createHmac, createPublicKey, type Hash, timingSafeEqual, verify } from 'node:crypto';

export type VerifyCode =
  | 'INTEGRITY_MISSING'
  | 'INTEGRITY_MALFORMED'
  | 'INTEGRITY_UNCOVERED'
  | 'INTEGRITY_BODY_CHANGED'
  | 'INTEGRITY_OUTPUT_CHANGED'
  | 'INTEGRITY_INPUT_OTHER'
  | 'INTEGRITY_REQUEST_OTHER'
  | 'INTEGRITY_KEY_OTHER'
  | 'INTEGRITY_TAG_WRONG'
  | 'INTEGRITY_SIGNATURE_WRONG'
  | 'INTEGRITY_TOO_OLD'
  | 'INTEGRITY_TOO_NEW'
  | 'INTEGRITY_STREAM_UNENDED';

export class ModelwardVerifyError extends Error {
  readonly code: VerifyCode;

  constructor(code: VerifyCode) {
    super(`the answer of the gateway was not verified: ${code}`);
    this.name = 'ModelwardVerifyError';
    this.code = code;
  }
}

export interface TagKey {
  readonly keyId: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** At least one of the two; where both are given, both marks must be there and good. */
export interface VerifyKeys {
  readonly tag?: TagKey;
  /** The gateway's Ed25519 key, PEM: what `modelward log key` prints. */
  readonly publicKey?: string;
}

export interface VerifyRequest {
  readonly method: string;
  /** As it was sent, without the query. */
  readonly path: string;
  /** As it was sent. */
  readonly body: Uint8Array | string;
}

export interface VerifyOptions {
  readonly request: VerifyRequest;
  readonly keys: VerifyKeys;
  /** Seconds since 1970; the clock of this machine where it is left out. */
  readonly nowSec?: number;
  /** Older answers are refused; left out, answers of any age are taken. */
  readonly maxAgeSec?: number;
}

export interface Verified {
  readonly requestId: string;
  /** When the request came to the gateway, seconds since 1970. */
  readonly createdSec: number;
  readonly marks: readonly ('tag' | 'signature')[];
}

type Headers = Iterable<readonly [string, string]> | Readonly<Record<string, string | readonly string[] | undefined>>;

export interface VerifyAnswerOptions extends VerifyOptions {
  readonly status: number;
  /** `response.headers` of fetch, or an object of them. */
  readonly headers: Headers;
  /** Bytes as they came, before any JSON.parse; of a stream all of them. */
  readonly body: Uint8Array | string;
}

const SKEW_SEC = 60;
const COVERED =
  '("@status" "content-digest" "modelward-input-digest" "modelward-log" "x-request-id" "@method";req "@path";req)';
const LAST_EVENT = Buffer.from('event: modelward-integrity\ndata: ');
const IN_BAND = 'modelward-answer-1';
/** The last event of a stream has less than two thousand. */
const LAST_EVENT_BYTES_MAX = 64 * 1024;

/** The file of `modelward apikey create`. */
export function readKeyFile(json: string): TagKey {
  const { keyId, tagKey } = JSON.parse(json) as { keyId: string; tagKey: string };
  const key = Buffer.from(tagKey, 'base64url');
  if (typeof keyId !== 'string' || key.length !== 32) throw new TypeError('this is no file of an API key');
  return { keyId, key };
}

/** An answer with integrity headers, or a whole event stream. @throws ModelwardVerifyError */
export function verifyAnswer(options: VerifyAnswerOptions): Verified {
  const headers = toMap(options.headers);
  const isStream = /^text\/event-stream\b/i.test(headers.get('content-type') ?? '');
  if (isStream && !headers.has('content-digest') && !headers.has('signature')) {
    const verifier = new StreamVerifier({ ...options, headers: options.headers });
    verifier.update(toBytes(options.body));
    return verifier.finish();
  }
  if (!headers.has('content-digest') && !headers.has('signature')) fail('INTEGRITY_MISSING');
  return check(options, headers, createHash('sha256').update(options.body).digest());
}

/** An event stream while it comes: `update` with each chunk, `finish` behind the last. What came is to be trusted after `finish`. */
export class StreamVerifier {
  readonly #options: Omit<VerifyAnswerOptions, 'body'>;
  readonly #hash: Hash = createHash('sha256');
  /** Bytes that may belong to the last event. */
  #held: Buffer = Buffer.alloc(0);

  constructor(options: Omit<VerifyAnswerOptions, 'body'>) {
    this.#options = options;
  }

  update(chunk: Uint8Array): void {
    this.#held = Buffer.concat([this.#held, chunk]);
    const start = this.#held.lastIndexOf(LAST_EVENT);
    // What begins an event behind which too much comes is none of the gateway's.
    const isEvent = start >= 0 && this.#held.length - start <= LAST_EVENT_BYTES_MAX;
    this.#release(isEvent ? start : Math.max(0, this.#held.length - LAST_EVENT.length));
  }

  /** @throws ModelwardVerifyError */
  finish(): Verified {
    const text = this.#held.toString('utf8');
    if (!text.startsWith(LAST_EVENT.toString())) fail('INTEGRITY_STREAM_UNENDED');
    const fields = findFields(text.slice(LAST_EVENT.length));
    if (fields === undefined) fail('INTEGRITY_MALFORMED');
    const outer = toMap(this.#options.headers).get('x-request-id');
    if (outer !== undefined && outer !== fields.get('x-request-id')) fail('INTEGRITY_REQUEST_OTHER');
    return check(this.#options, fields, this.#hash.digest());
  }

  #release(count: number): void {
    this.#hash.update(this.#held.subarray(0, count));
    this.#held = this.#held.subarray(count);
  }
}

export interface InBandOutput {
  readonly name: string;
  readonly shape: readonly number[];
  /** As the Open Inference Protocol spells it: FP32, INT64 … */
  readonly datatype: string;
  /** Values in row-major order, nested or flat, or their bytes (little-endian). Integers above 2^53 as BigInt. */
  readonly data: readonly unknown[] | Uint8Array;
}

export interface VerifyInBandOptions extends Omit<VerifyOptions, 'request'> {
  readonly request: Omit<VerifyRequest, 'method'>;
  /** `parameters.integrity` of the answer, or `parameters.integrity_signature`. */
  readonly integrity: string;
  /** `outputs` of the answer. */
  readonly outputs: readonly InBandOutput[];
}

/** What stands within an answer of the Open Inference Protocol, for clients that do not see headers. @throws ModelwardVerifyError */
export function verifyInBand({ integrity, outputs, request, keys, ...time }: VerifyInBandOptions): Verified {
  const words = integrity.split(' ');
  if (words.length !== 9 || words[0] !== IN_BAND) fail('INTEGRITY_MALFORMED');
  const [, alg, keyId, seconds, requestId, path, input, output, value] = words;
  if (!/^\d{1,12}$/.test(seconds) || (alg !== 'hmac-sha256' && alg !== 'ed25519')) fail('INTEGRITY_MALFORMED');
  if (path !== request.path) fail('INTEGRITY_REQUEST_OTHER');
  const inputDigest = createHash('sha256').update(request.body).digest();
  if (!isEqual(toStrict(input, 'base64url'), inputDigest)) fail('INTEGRITY_INPUT_OTHER');
  if (!isEqual(toStrict(output, 'base64url'), hashTensors(outputs))) fail('INTEGRITY_OUTPUT_CHANGED');
  const text = integrity.slice(0, integrity.lastIndexOf(' '));
  const kind = alg === 'hmac-sha256' ? 'tag' : 'signature';
  if (kind === 'tag' ? keys.tag === undefined : keys.publicKey === undefined) fail('INTEGRITY_MISSING');
  checkMark({ kind, keyId, text, value: toStrict(value, 'base64url') }, keys);
  checkTime(Number(seconds), time);
  return { requestId, createdSec: Number(seconds), marks: [kind] };
}

function check(
  { request, status, keys, ...time }: Omit<VerifyAnswerOptions, 'body' | 'headers'>,
  headers: ReadonlyMap<string, string>,
  digest: Buffer,
): Verified {
  if (!isEqual(readDigest(headers.get('content-digest')), digest)) fail('INTEGRITY_BODY_CHANGED');
  const input = createHash('sha256').update(request.body).digest();
  if (!isEqual(readDigest(headers.get('modelward-input-digest')), input)) fail('INTEGRITY_INPUT_OTHER');
  const requestId = headers.get('x-request-id');
  const kinds = (['tag', 'signature'] as const).filter((kind) =>
    kind === 'tag' ? keys.tag !== undefined : keys.publicKey !== undefined,
  );
  if (kinds.length === 0) throw new TypeError('no key to verify with');
  const created = kinds.map((kind) => {
    const mark = readMark(kind, headers);
    const lines = [
      ['"@status"', String(status)],
      ...['content-digest', 'modelward-input-digest', 'modelward-log', 'x-request-id'].map((name) => [
        `"${name}"`,
        headers.get(name) ?? fail('INTEGRITY_MALFORMED'),
      ]),
      ['"@method";req', request.method],
      ['"@path";req', request.path],
      ['"@signature-params"', mark.params],
    ];
    checkMark({ ...mark, kind, text: lines.map((line) => line.join(': ')).join('\n') }, keys);
    checkTime(mark.createdSec, time);
    return mark.createdSec;
  });
  return { requestId: requestId ?? fail('INTEGRITY_MALFORMED'), createdSec: created[0], marks: kinds };
}

function readDigest(text: string | undefined): Buffer {
  const value = /(?:^|,[ \t]*)sha-256=:([A-Za-z0-9+/]{43}=):/.exec(text ?? '')?.[1];
  return value === undefined ? fail('INTEGRITY_MALFORMED') : toStrict(value, 'base64');
}

function readMark(kind: 'tag' | 'signature', headers: ReadonlyMap<string, string>) {
  const [label, alg] = kind === 'tag' ? ['tag', 'hmac-sha256'] : ['sig', 'ed25519'];
  const inputs = headers.get('signature-input') ?? '';
  const value = new RegExp(`(?:^|,[ \\t]*)${label}=:([A-Za-z0-9+/]+={0,2}):`).exec(headers.get('signature') ?? '')?.[1];
  const at = new RegExp(`(?:^|,[ \\t]*)${label}=(?=\\()`).exec(inputs);
  if (at === null || value === undefined) fail('INTEGRITY_MISSING');
  const rest = inputs.slice(at.index + at[0].length);
  const params = rest.startsWith(COVERED) ? rest.slice(COVERED.length) : fail('INTEGRITY_UNCOVERED');
  const found = /^;created=(\d{1,12});keyid="([^"\\]*)";alg="([a-z0-9-]+)";tag="modelward-answer"(?=,|$)/.exec(params);
  if (found?.[3] !== alg) fail('INTEGRITY_UNCOVERED');
  const [text, created, keyId] = found;
  return { createdSec: Number(created), keyId, params: COVERED + text, value: toStrict(value, 'base64') };
}

interface Mark {
  readonly kind: 'tag' | 'signature';
  readonly keyId: string;
  readonly text: string;
  readonly value: Buffer;
}

function checkMark({ kind, keyId, text, value }: Mark, { tag, publicKey }: VerifyKeys): void {
  if (kind === 'tag') {
    if (tag?.keyId !== keyId) fail('INTEGRITY_KEY_OTHER');
    if (!isEqual(createHmac('sha256', tag.key).update(text).digest(), value)) fail('INTEGRITY_TAG_WRONG');
    return;
  }
  const key = createPublicKey(publicKey!);
  const id = createHash('sha256')
    .update(key.export({ format: 'der', type: 'spki' }))
    .digest('hex');
  if (id !== keyId) fail('INTEGRITY_KEY_OTHER');
  if (key.asymmetricKeyType !== 'ed25519' || value.length !== 64 || !verify(null, Buffer.from(text), key, value)) {
    fail('INTEGRITY_SIGNATURE_WRONG');
  }
}

function checkTime(createdSec: number, { nowSec = Date.now() / 1000, maxAgeSec }: Omit<VerifyOptions, 'request' | 'keys'>) {
  if (maxAgeSec !== undefined && nowSec - createdSec > maxAgeSec + SKEW_SEC) fail('INTEGRITY_TOO_OLD');
  if (createdSec - nowSec > SKEW_SEC) fail('INTEGRITY_TOO_NEW');
}

const DTYPES: Readonly<Record<string, readonly [dtype: string, bytes: number]>> = {
  BOOL: ['bool', 1],
  UINT8: ['u8', 1],
  UINT16: ['u16', 2],
  UINT32: ['u32', 4],
  UINT64: ['u64', 8],
  INT8: ['i8', 1],
  INT16: ['i16', 2],
  INT32: ['i32', 4],
  INT64: ['i64', 8],
  FP16: ['f16', 2],
  BF16: ['bf16', 2],
  FP32: ['f32', 4],
  FP64: ['f64', 8],
};

/** SHA-256 over names, types, shapes and values, the same for JSON and binary answers (docs/spec/tensor-hash.md). */
export function hashTensors(outputs: readonly InBandOutput[]): Buffer {
  const rows = outputs.map((output) => ({ ...output, nameBytes: Buffer.from(output.name) }));
  rows.sort((a, b) => Buffer.compare(a.nameBytes, b.nameBytes));
  const hash = createHash('sha256').update('mw/tensors/v1\0').update(toU32(rows.length));
  for (const { nameBytes, shape, datatype, data } of rows) {
    const row = DTYPES[datatype] as (typeof DTYPES)[string] | undefined;
    if (row === undefined) fail('INTEGRITY_MALFORMED');
    const bytes = toValues(row, data);
    hash.update(toU32(nameBytes.length)).update(nameBytes).update(toU32(row[0].length)).update(row[0]);
    hash.update(toU32(shape.length));
    for (const dim of shape) hash.update(toU64(dim));
    hash.update(toU64(bytes.length)).update(bytes);
  }
  return hash.digest();
}

/** Packed little-endian values; negative zeros are zeros. */
function toValues([dtype, bytesEach]: readonly [string, number], data: readonly unknown[] | Uint8Array): Buffer {
  if (data instanceof Uint8Array) return withoutNegativeZeros(dtype, Buffer.from(data));
  const values = (data as unknown[]).flat(Infinity);
  const out = Buffer.alloc(values.length * bytesEach);
  const view = new DataView(out.buffer, out.byteOffset, out.length);
  values.forEach((value, i) => {
    const at = i * bytesEach;
    if (dtype === 'bool') out[at] = value === true || value === 1 ? 1 : 0;
    else if (dtype === 'f32') view.setFloat32(at, Number(value), true);
    else if (dtype === 'f64') view.setFloat64(at, Number(value), true);
    else if (dtype === 'f16') view.setUint16(at, toHalf(Number(value)), true);
    else if (dtype === 'bf16') view.setUint16(at, toBfloat(Number(value)), true);
    else if (bytesEach === 8) view.setBigUint64(at, BigInt.asUintN(64, BigInt(value as number)), true);
    else out.writeUIntLE(Number(BigInt.asUintN(8 * bytesEach, BigInt(value as number))), at, bytesEach);
  });
  return withoutNegativeZeros(dtype, out);
}

function withoutNegativeZeros(dtype: string, bytes: Buffer): Buffer {
  const size = { f16: 2, bf16: 2, f32: 4, f64: 8 }[dtype];
  if (size === undefined) return bytes;
  for (let at = 0; at + size <= bytes.length; at += size) {
    const last = at + size - 1;
    if (bytes[last] === 0x80 && bytes.subarray(at, last).every((byte) => byte === 0)) bytes[last] = 0;
  }
  return bytes;
}

/** The values of an answer are halves already, written as doubles: nothing is rounded but where decimals were cut. */
function toHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const mantissa = roundEven(size / 2 ** (exponent - 10));
  // A mantissa that was rounded up to 2^11 carries into the exponent by itself.
  return sign | (exponent === -14 && mantissa < 1024 ? mantissa : ((exponent + 14) << 10) + mantissa);
}

function toBfloat(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  const bits = view.getUint32(0);
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

function toU32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

function toU64(value: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(value));
  return out;
}

function findFields(text: string): ReadonlyMap<string, string> | undefined {
  if (text.indexOf('\n\n') !== text.length - 2) return undefined;
  try {
    const { v, ...fields } = JSON.parse(text) as Record<string, unknown>;
    const entries = Object.entries(fields).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    return v === 1 && entries.length === Object.keys(fields).length ? new Map(entries) : undefined;
  } catch {
    return undefined;
  }
}

function toMap(headers: Headers): ReadonlyMap<string, string> {
  const entries: Iterable<readonly [string, string | readonly string[] | undefined]> =
    Symbol.iterator in headers ? (headers as Iterable<readonly [string, string]>) : Object.entries(headers);
  const map = new Map<string, string>();
  for (const [name, value] of entries) {
    if (value === undefined) continue;
    const key = name.toLowerCase();
    const text = typeof value === 'string' ? value : value.join(', ');
    const before = map.get(key);
    map.set(key, before === undefined ? text : `${before}, ${text}`);
  }
  return map;
}

function toBytes(body: Uint8Array | string): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body;
}

/** Bytes of the one right spelling; Node alone passes over what is none. */
function toStrict(text: string, encoding: 'base64' | 'base64url'): Buffer {
  const bytes = Buffer.from(text, encoding);
  return bytes.toString(encoding) === text ? bytes : fail('INTEGRITY_MALFORMED');
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function fail(code: VerifyCode): never {
  throw new ModelwardVerifyError(code);
}
