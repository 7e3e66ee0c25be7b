/** Requests that are nearly good, and what is done to them. Seeded: a run that failed can be run again. */
import fc from 'fast-check';
import { frame, toInferRequest } from './reliability/grpc-message.ts';
import { MODEL } from './reliability/whole.ts';

export interface FuzzRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const json = { 'content-type': 'application/json' };
const OIP = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}],"outputs":[{"name":"y"}]}';
const BINARY =
  '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}],"parameters":{"binary_data_output":true}}';

const of = (path: string, body: string | Buffer, headers: Readonly<Record<string, string>> = json): FuzzRequest => ({
  ...{ path, headers, body: Buffer.from(body) },
});

/** One good request of each protocol and encoding. */
export const GOOD: readonly FuzzRequest[] = [
  of(`/v2/models/${MODEL}/infer`, OIP),
  of(`/v2/models/${MODEL}/versions/1/infer`, Buffer.concat([Buffer.from(BINARY), Buffer.from(Float32Array.of(1, 2).buffer)]), {
    'content-type': 'application/octet-stream',
    'inference-header-content-length': String(BINARY.length),
  }),
  of('/v1/chat/completions', `{"model":"${MODEL}","messages":[{"role":"user","content":"hi"}],"stream":true}`),
  of('/v1/embeddings', `{"model":"${MODEL}","input":["hi"]}`),
  of(`/predictions/${MODEL}`, '[[1,2]]'),
  of(`/predictions/${MODEL}`, Buffer.from(Float32Array.of(1, 2).buffer), { 'content-type': 'application/octet-stream' }),
  of('/invocations', '{"instances":[[1,2]]}'),
  of('/invocations', '1,2\n3,4\n', { 'content-type': 'text/csv', accept: 'text/csv' }),
  of(`/v1/models/${MODEL}:predict`, '{"instances":[{"x":[1,2]}]}'),
  of(`/${MODEL}`, '{"inputs":{"x":[[1,2]]}}'),
  of('/inference.GRPCInferenceService/ModelInfer', toInferRequest({ model: MODEL, name: 'x', shape: [1, 2], values: [1, 2] }), {
    'content-type': 'application/grpc',
    te: 'trailers',
  }),
  of('/inference.GRPCInferenceService/ModelMetadata', frame(Buffer.from(`\x0a\x01${MODEL}`)), {
    'content-type': 'application/grpc',
  }),
]; // biome-ignore format: a table

/** Texts that parsers trip over. */
const NASTY = [
  '', '\0', '-', '-1', '1e999', '1e-999', '9'.repeat(400), '0x10', 'NaN', 'Infinity', 'null', 'true', '[', '{', '"', '\\', '\\u0000', '\\ud800',
  '[]', '{}', '[[[[[[[[[[[[[[[[[[[[', '{"a":'.repeat(80), '18446744073709551616', '-9223372036854775809', '4294967296', '2147483648', '__proto__',
  'constructor', '../..', '%00', "' OR '1'='1", '\u{1f600}', '\xff\xfe', ',', ':', 'FP16', 'BYTES', 'shape', 'data', 'binary_data_size', '\r\n\r\n',
] as const; // biome-ignore format: a list

/** What is done to bytes: cut, grown, replaced, doubled, or one of them changed. */
const change = fc.record({
  kind: fc.constantFrom('cut', 'nasty', 'bytes', 'repeat', 'flip', 'drop'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat(40),
  nasty: fc.constantFrom(...NASTY),
  bytes: fc.uint8Array({ maxLength: 24 }),
});
type Change = typeof change extends fc.Arbitrary<infer Value> ? Value : never;

function mutate(body: Buffer, changes: readonly Change[]): Buffer {
  return changes.reduce((bytes, { kind, at, length, nasty, bytes: extra }) => {
    const place = Math.floor(at * bytes.length);
    const [before, after] = [bytes.subarray(0, place), bytes.subarray(place)];
    if (kind === 'cut') return before;
    if (kind === 'nasty') return Buffer.concat([before, Buffer.from(nasty), after.subarray(length % 8)]);
    if (kind === 'bytes') return Buffer.concat([before, extra, after.subarray(extra.length)]);
    if (kind === 'repeat') return Buffer.concat([before, after.subarray(0, length), after]);
    if (kind === 'drop') return Buffer.concat([before, after.subarray(length)]);
    const flipped = Buffer.from(bytes);
    if (place < flipped.length) flipped[place] ^= 1 << (length % 8);
    return flipped;
  }, body);
}

export const mutatedBodies = fc
  .tuple(fc.constantFrom(...GOOD), fc.array(change, { minLength: 1, maxLength: 4 }))
  .map(([good, changes]): FuzzRequest => ({ ...good, body: mutate(good.body, changes) }));

/** A value that can stand in a header of HTTP/1.1. */
const headerText = fc.oneof(
  fc.constantFrom(...NASTY).map((text) => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '')),
  fc.string({ maxLength: 60 }).map((text) => text.replaceAll(/[^\x20-\x7e]/g, '')),
);

export const mutatedHeaders = fc
  .tuple(
    fc.constantFrom(...GOOD),
    fc.constantFrom(
      ...[
        'content-type',
        'inference-header-content-length',
        'accept',
        'traceparent',
        'tracestate',
        'x-api-key',
        'expect',
      ],
      ...['x-amzn-sagemaker-target-model', 'x-amzn-sagemaker-custom-attributes', 'grpc-encoding', 'grpc-timeout', 'te'],
      ...['content-encoding', 'x-forwarded-for', 'range', 'cookie', 'x-request-id', 'if-none-match', '__proto__'],
    ),
    headerText,
  )
  .map(([good, name, value]): FuzzRequest => ({ ...good, headers: { ...good.headers, [name]: value } }));

const toPart = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const part = fc.oneof(
  fc.constantFrom<unknown>(
    ...[{ alg: 'none' }, { alg: 'HS256' }, { alg: 'RS256', kid: '../../x' }, { alg: 'RS256', jku: 'http://169.254.169.254/' }],
    ...[{ alg: 'RS256', crit: ['b64'], b64: false }, { alg: 'ES256', jwk: {} }, { alg: 'RS256', zip: 'DEF' }, [], null, 7],
    ...[{ iss: 'https://id.example', aud: 'modelward', exp: 1e300 }, { iss: 'https://id.example', exp: '1' }, { exp: -1 }],
  ).map(toPart),
  fc.json({ maxDepth: 3 }).map((text) => Buffer.from(text).toString('base64url')),
  fc.string({ maxLength: 30 }).map((text) => text.replaceAll(/[^\w.~-]/g, '')),
); // biome-ignore format: a list

/** Values of `authorization`: tokens that somebody made up, keys that are none, and anything else. */
export const credentials = fc.oneof(
  fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => `Bearer ${parts.join('.')}`),
  headerText.map((text) => `Bearer ${text}`),
  headerText,
  fc.constantFrom(
    `Bearer ${'a'.repeat(8000)}`,
    `Bearer ${'a.'.repeat(3000)}`,
    'Bearer mwk_live_1',
    "Bearer mwk_live_' OR 1=1 --",
  ),
);

/** JSON that asks for more than it brings: depth, length, shape, numbers of members. */
export const BOMBS: readonly (readonly [string, string])[] = [
  ['depth', `{"inputs":${'['.repeat(100_000)}`],
  ['depth of objects', '{"a":'.repeat(100_000)],
  ['a shape of 2^53', OIP.replace('[1,2]', '[9007199254740991,2]')],
  ['a shape whose product overflows', OIP.replace('[1,2]', '[4294967296,4294967296]')],
  ['a shape of many axes', OIP.replace('[1,2]', `[${'1,'.repeat(5000)}2]`)],
  ['a shape of zero', OIP.replace('[1,2]', '[0,2]')],
  ['a negative shape', OIP.replace('[1,2]', '[-1,2]')],
  ['a fraction for a shape', OIP.replace('[1,2]', '[1.5,2]')],
  ['many inputs', `{"inputs":[${'{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]},'.repeat(5000)}{}]}`],
  ['many members', `{${Array.from({ length: 20_000 }, (_, n) => `"k${n}":1`).join(',')},${OIP.slice(1)}`],
  ['a long number', OIP.replace('[1,2]}', `[1,${'9'.repeat(100_000)}]}`)],
  ['a long text', OIP.replace('"x"', `"${'x'.repeat(1_000_000)}"`)],
  ['many values', OIP.replace('"data":[1,2]', `"data":[${'1,'.repeat(500_000)}1]`)],
  ['many empty arrays', OIP.replace('"data":[1,2]', `"data":[${'[],'.repeat(200_000)}[]]`)],
]; // biome-ignore format: a table
