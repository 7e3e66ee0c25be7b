/** The vectors of signed answers, made by the sealer from fixed keys, and spoilt in one way each. */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toBase64Url } from '../../src/core/base64url.ts';
import { toHex, utf8 } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';
import { type AnswerSealer, createAnswerSealer } from '../../src/gateway/index.ts';
import type { SealedRequest } from '../../src/gateway/integrity/ports.ts';
import type { GatewaySigner, HeaderList, NamedTensor, Principal } from '../../src/gateway/ports.ts';
import { encodeOip } from '../../src/gateway/protocols/oip/encode.ts';
import { hashTensors } from '../../src/gateway/tensors/hash.ts';

export interface IntegrityCase {
  readonly name: string;
  readonly kind: 'headers' | 'stream' | 'in-band';
  readonly request: { readonly method: string; readonly path: string; readonly body: string };
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: string;
  /** Of the vectors' keys; what is false is not given. */
  readonly keys: { readonly tag: boolean; readonly publicKey: boolean };
  readonly nowSec: number;
  readonly maxAgeSec: number | null;
  /** The first finding; null where the answer is good. */
  readonly expect: string | null;
}

export interface IntegrityVectors {
  readonly tagKey: { readonly keyId: string; readonly tagKey: string };
  readonly publicKey: string;
  readonly cases: readonly IntegrityCase[];
}

export const vectorsFolder = join(import.meta.dirname, '../vectors/integrity');

export interface RfcVectors {
  readonly sharedSecret: string;
  readonly ed25519PublicKey: string;
  readonly ed25519PrivateKey: string;
  readonly request: Readonly<Record<string, string>>;
  readonly cases: readonly Record<'name' | 'label' | 'input' | 'base' | 'signature', string>[];
}

export const rfc = JSON.parse(readFileSync(join(vectorsFolder, 'rfc9421.json'), 'utf8')) as RfcVectors;

const privateKey = createPrivateKey({
  key: Buffer.from(rfc.ed25519PrivateKey, 'base64'),
  format: 'der',
  type: 'pkcs8',
});
const publicPem = createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }) as string;
const spki = Buffer.from(rfc.ed25519PublicKey, 'base64');

export const signer: GatewaySigner = {
  keyId: toHex(sha256(spki)),
  publicKey: new Uint8Array(spki),
  sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
};

const NOW_SEC = 1_764_000_000;
const TAG_KEY = sha256(utf8('key of the vectors'));
const KEY_ID = 'k_Vectors000000001';

export function toPrincipal(tagKey: Uint8Array | null = TAG_KEY, id = `key:${KEY_ID}`): Principal {
  return {
    ...{ id, tenant: 'acme', scopes: ['infer:digits'], tagKey },
    kind: tagKey === null ? 'jwt' : 'api-key',
    limits: { perMinute: 1, burst: 1, daily: null, lifetime: null, concurrency: 1, bodyBytesMax: null, batchMax: null },
    output: { topK: null, decimals: null, isLabelOnly: false, hidden: [] },
  };
}

const REQUEST = { method: 'POST', path: '/v2/models/digits/infer', body: '{"inputs":[{"name":"x","shape":[1,2]}]}' };
const ANSWER = '{"model_name":"digits","outputs":[]}';
const STREAM = 'data: {"text":"a"}\n\ndata: {"text":"b"}\n\ndata: [DONE]\n\n';
const REQUEST_ID = '019aa4d2-6f00-7a10-8000-0123456789ab';
const PLACE = { stream: '0123456789abcdefghjkmnpqrs', index: 41 };

export function toSealed(principal: Principal, timeMs = NOW_SEC * 1000): SealedRequest {
  const { method, path, body } = REQUEST;
  return { principal, method, path, requestId: REQUEST_ID, inputSha256: sha256(utf8(body)), timeMs };
}

const both = createAnswerSealer({ signer, isAlwaysSigned: true });
const tags = createAnswerSealer({ signer: null, isAlwaysSigned: false });

function toHeaders(sealer: AnswerSealer, request: SealedRequest): [string, string][] {
  const answer = { status: 200, bodySha256: sha256(utf8(ANSWER)), place: PLACE };
  const marks = sealer.toHeaders(request, answer).map(([name, value]): [string, string] => [name, value]);
  return [['content-type', 'application/json'], ['x-request-id', REQUEST_ID], ...marks];
}

const base = { request: REQUEST, status: 200, nowSec: NOW_SEC + 5, maxAgeSec: 300, expect: null } as const;
const withTag = { tag: true, publicKey: false };
const withKey = { tag: false, publicKey: true };
const headersCase: Omit<IntegrityCase, 'name'> = {
  ...{ ...base, kind: 'headers', keys: withTag, body: ANSWER },
  headers: toHeaders(tags, toSealed(toPrincipal())),
};

function replace(
  name: string,
  from: string | RegExp,
  to: string | ((...found: readonly unknown[]) => string),
): HeaderList {
  const swap = typeof to === 'string' ? (): string => to : to;
  return headersCase.headers.map(([key, value]) => [key, key === name ? value.replace(from, swap) : value]);
}

function toHeaderCases(): IntegrityCase[] {
  const other = sha256(utf8('another key'));
  const without = headersCase.headers.filter(([name]) => !name.startsWith('signature'));
  // biome-ignore format: one case a line
  return [
    { ...headersCase, name: 'tag' },
    { ...headersCase, name: 'tag and signature', keys: { tag: true, publicKey: true }, headers: toHeaders(both, toSealed(toPrincipal())) },
    { ...headersCase, name: 'signature alone', keys: withKey, headers: toHeaders(createAnswerSealer({ signer, isAlwaysSigned: false }), toSealed(toPrincipal(null, 'jwt:"a\\b"'))) },
    { ...headersCase, name: 'beside a signature of another', headers: [...replace('signature-input', /^/, 'proxy=("@status");created=1, ')].map(([name, value]) => [name, name === 'signature' ? `proxy=:AAAA:, ${value}` : value]) },
    { ...headersCase, name: 'body changed', body: ANSWER.replace('digits', 'digitz'), expect: 'INTEGRITY_BODY_CHANGED' },
    { ...headersCase, name: 'another request body', request: { ...REQUEST, body: '{}' }, expect: 'INTEGRITY_INPUT_OTHER' },
    { ...headersCase, name: 'another path', request: { ...REQUEST, path: '/v2/models/other/infer' }, expect: 'INTEGRITY_TAG_WRONG' },
    { ...headersCase, name: 'another method', request: { ...REQUEST, method: 'PUT' }, expect: 'INTEGRITY_TAG_WRONG' },
    { ...headersCase, name: 'another status', status: 201, expect: 'INTEGRITY_TAG_WRONG' },
    { ...headersCase, name: 'another request id', headers: replace('x-request-id', '0123', '0124'), expect: 'INTEGRITY_TAG_WRONG' },
    { ...headersCase, name: 'another place in the log', headers: replace('modelward-log', '41', '42'), expect: 'INTEGRITY_TAG_WRONG' },
    { ...headersCase, name: 'another time', headers: replace('signature-input', /created=\d+/, `created=${NOW_SEC + 1}`), expect: 'INTEGRITY_TAG_WRONG' },
    { ...headersCase, name: 'another key of the same id', headers: toHeaders(tags, toSealed(toPrincipal(other))), expect: 'INTEGRITY_TAG_WRONG' },
    { ...headersCase, name: 'another key', headers: toHeaders(tags, toSealed(toPrincipal(other, 'key:k_0000000000000000'))), expect: 'INTEGRITY_KEY_OTHER' },
    { ...headersCase, name: 'signature wrong', keys: withKey, status: 201, headers: toHeaders(both, toSealed(toPrincipal())), expect: 'INTEGRITY_SIGNATURE_WRONG' },
    { ...headersCase, name: 'signature of another key', keys: withKey, headers: toHeaders(both, toSealed(toPrincipal())).map(([name, value]) => [name, value.replace(signer.keyId, '0'.repeat(64))]), expect: 'INTEGRITY_KEY_OTHER' },
    { ...headersCase, name: 'no signature', keys: withKey, expect: 'INTEGRITY_MISSING' },
    { ...headersCase, name: 'no tag', headers: without, expect: 'INTEGRITY_MISSING' },
    { ...headersCase, name: 'no headers', headers: headersCase.headers.slice(0, 2), expect: 'INTEGRITY_MISSING' },
    { ...headersCase, name: 'digest malformed', headers: replace('content-digest', /:.*:/, ':AAAA:'), expect: 'INTEGRITY_MALFORMED' },
    { ...headersCase, name: 'tag spelled otherwise', headers: replace('signature', /(.)=:$/, (_all, last) => `${String.fromCharCode(String(last).charCodeAt(0) + 1)}=:`), expect: 'INTEGRITY_MALFORMED' },
    { ...headersCase, name: 'status not covered', headers: replace('signature-input', '"@status" ', ''), expect: 'INTEGRITY_UNCOVERED' },
    { ...headersCase, name: 'another algorithm', headers: replace('signature-input', 'hmac-sha256', 'hmac-sha512'), expect: 'INTEGRITY_UNCOVERED' },
    { ...headersCase, name: 'another purpose', headers: replace('signature-input', 'modelward-answer', 'other'), expect: 'INTEGRITY_UNCOVERED' },
    { ...headersCase, name: 'too old', nowSec: NOW_SEC + 361, expect: 'INTEGRITY_TOO_OLD' },
    { ...headersCase, name: 'of any age', nowSec: NOW_SEC + 1e8, maxAgeSec: null },
    { ...headersCase, name: 'from a time to come', nowSec: NOW_SEC - 61, expect: 'INTEGRITY_TOO_NEW' },
  ];
}

function toStreamCases(): IntegrityCase[] {
  const answer = { status: 200, bodySha256: sha256(utf8(STREAM)), place: PLACE };
  const toBody = (sealer: AnswerSealer): string =>
    STREAM + Buffer.from(sealer.toLastEvent(toSealed(toPrincipal()), answer)!).toString('utf8');
  const headers: HeaderList = [
    ['content-type', 'text/event-stream; charset=utf-8'],
    ['x-request-id', REQUEST_ID],
  ];
  const body = toBody(tags);
  const stream = { ...base, kind: 'stream', keys: withTag, headers, body } as const;
  // biome-ignore format: one case a line
  return [
    { ...stream, name: 'stream' },
    { ...stream, name: 'stream, signed', keys: withKey, body: toBody(both) },
    { ...stream, name: 'stream that was cut off', body: STREAM, expect: 'INTEGRITY_STREAM_UNENDED' },
    { ...stream, name: 'event changed', body: body.replace('"b"', '"c"'), expect: 'INTEGRITY_BODY_CHANGED' },
    { ...stream, name: 'event taken out', body: body.slice(body.indexOf('data: {"text":"b"}')), expect: 'INTEGRITY_BODY_CHANGED' },
    { ...stream, name: 'event behind the last', body: `${body}data: x\n\n`, expect: 'INTEGRITY_MALFORMED' },
    { ...stream, name: 'last event that is none', body: `${STREAM}event: modelward-integrity\ndata: {"v":2}\n\n`, expect: 'INTEGRITY_MALFORMED' },
    { ...stream, name: 'stream of another request', headers: [headers[0], ['x-request-id', 'other']], expect: 'INTEGRITY_REQUEST_OTHER' },
    { ...stream, name: 'last event within the text', body: toWithin(), headers },
  ];
}

/** A stream whose text has the beginning of such an event: the last one counts. */
function toWithin(): string {
  const text = `event: modelward-integrity\ndata: {"v":1}\n\n${STREAM}`;
  const answer = { status: 200, bodySha256: sha256(utf8(text)), place: PLACE };
  return text + Buffer.from(tags.toLastEvent(toSealed(toPrincipal()), answer)!).toString('utf8');
}

const OUTPUTS: readonly NamedTensor[] = [
  { name: 'scores', dtype: 'f32', shape: [1, 3], data: toBytes(new Float32Array([0.1, -0, 2.5e-8])) },
  { name: 'b\u00e9ta', dtype: 'f16', shape: [4], data: toBytes(new Uint16Array([0x3555, 0x8000, 0x0001, 0x7bff])) },
  { name: 'a', dtype: 'i64', shape: [2], data: toBytes(new BigInt64Array([-7n, 9_007_199_254_740_991n])) },
  { name: 'z', dtype: 'f64', shape: [2, 1], data: toBytes(new Float64Array([Math.PI, -1e-300])) },
  { name: 'c', dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) },
  { name: 'd', dtype: 'i8', shape: [2], data: Uint8Array.of(0x80, 0x7f) },
  { name: 'e', dtype: 'bf16', shape: [2], data: toBytes(new Uint16Array([0x3dcd, 0xc2f7])) },
  { name: 'f', dtype: 'u32', shape: [], data: toBytes(new Uint32Array([4_294_967_295])) },
];

function toBytes({ buffer }: { readonly buffer: ArrayBufferLike }): Uint8Array {
  return new Uint8Array(buffer);
}

function toInBandCases(): IntegrityCase[] {
  const toBody = (sealer: AnswerSealer, principal = toPrincipal()): string => {
    const parameters = sealer.toParameters(toSealed(principal), hashTensors(OUTPUTS))!;
    const form = { layout: 'oip', id: null, outputs: null, isBinary: false } as const;
    const { body } = encodeOip(form, { name: 'digits', version: '1' }, OUTPUTS, { parameters });
    return Buffer.from(body as Uint8Array).toString('utf8');
  };
  const body = toBody(tags);
  const inBand = { ...base, kind: 'in-band', keys: withTag, headers: [], body } as const;
  // biome-ignore format: one case a line
  return [
    { ...inBand, name: 'in-band tag' },
    { ...inBand, name: 'in-band signature', keys: withKey, body: toBody(createAnswerSealer({ signer, isAlwaysSigned: false }), toPrincipal(null)) },
    { ...inBand, name: 'output changed', body: body.replace('3.14', '3.15'), expect: 'INTEGRITY_OUTPUT_CHANGED' },
    { ...inBand, name: 'output renamed', body: body.replace('"scores"', '"score"'), expect: 'INTEGRITY_OUTPUT_CHANGED' },
    { ...inBand, name: 'shape changed', body: body.replace('[1,3]', '[3,1]'), expect: 'INTEGRITY_OUTPUT_CHANGED' },
    { ...inBand, name: 'in-band, another request body', request: { ...REQUEST, body: '{}' }, expect: 'INTEGRITY_INPUT_OTHER' },
    { ...inBand, name: 'in-band, another model', request: { ...REQUEST, path: '/v2/models/other/infer' }, expect: 'INTEGRITY_REQUEST_OTHER' },
    { ...inBand, name: 'in-band, another id', body: body.replace(REQUEST_ID, REQUEST_ID.replace('0123', '0124')), expect: 'INTEGRITY_TAG_WRONG' },
    { ...inBand, name: 'in-band, another key', body: body.replace(KEY_ID, 'k_0000000000000000'), expect: 'INTEGRITY_KEY_OTHER' },
    { ...inBand, name: 'in-band, key of the other kind', keys: withKey, expect: 'INTEGRITY_MISSING' },
    { ...inBand, name: 'in-band, malformed', body: body.replace('modelward-answer-1', 'modelward-answer-2'), expect: 'INTEGRITY_MALFORMED' },
    { ...inBand, name: 'in-band, too old', nowSec: NOW_SEC + 361, expect: 'INTEGRITY_TOO_OLD' },
  ];
}

export function makeVectors(): IntegrityVectors {
  return {
    tagKey: { keyId: KEY_ID, tagKey: toBase64Url(TAG_KEY) },
    publicKey: publicPem,
    cases: [...toHeaderCases(), ...toStreamCases(), ...toInBandCases()],
  };
}
