/** What is wrong with an input has the same stable code by every protocol; it costs, it is in the log, and nothing of it stays. */
import { Agent } from 'node:http';
import { afterAll, expect, test } from 'vitest';
import { ERRORS } from '../../../src/core/errors.ts';
import { send } from '../fuzz.ts';
import type { FuzzRequest } from '../fuzz-cases.ts';
import { frame, toInferRequest } from './grpc-message.ts';
import { MODEL, useWhole } from './whole.ts';

const open = useWhole();
const agent = new Agent({ keepAlive: true });
afterAll(() => {
  agent.destroy();
});

const JSON_TYPE = { 'content-type': 'application/json' };
const BYTES_TYPE = { 'content-type': 'application/octet-stream' };
const floats = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);

interface Input {
  readonly name?: string;
  readonly datatype?: string;
  readonly shape?: readonly number[];
  /** JSON text of the values. */
  readonly data?: string;
}
const oip = ({ name = 'x', datatype = 'FP32', shape = [1, 2], data = '[1,2]' }: Input): string =>
  `{"inputs":[{"name":"${name}","datatype":"${datatype}","shape":[${shape.join(',')}],"data":${data}}]}`;
const of = (
  path: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = JSON_TYPE,
): FuzzRequest => ({
  ...{ path, headers, body: Buffer.from(body) },
});
const infer = (body: string): FuzzRequest => of(`/v2/models/${MODEL}/infer`, body);
const binary = (values: Buffer, bytes = values.length): FuzzRequest => {
  const head = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":${bytes}}}]}`;
  const headers = { ...BYTES_TYPE, 'inference-header-content-length': String(head.length) };
  return of(`/v2/models/${MODEL}/infer`, Buffer.concat([Buffer.from(head), values]), headers);
};
const GRPC = { 'content-type': 'application/grpc', te: 'trailers' };
const grpc = (change: object): FuzzRequest => {
  const good = { model: MODEL, name: 'x', shape: [1, 2], values: [1, 2] };
  return of('/inference.GRPCInferenceService/ModelInfer', toInferRequest({ ...good, ...change }), GRPC);
};
const torchserve = (body: string | Buffer, headers = JSON_TYPE): FuzzRequest =>
  of(`/predictions/${MODEL}`, body, headers);
const vertex = (instances: string): FuzzRequest => of(`/v1/models/${MODEL}:predict`, `{"instances":${instances}}`);
const sagemaker = (body: string, type = 'text/csv'): FuzzRequest => of('/invocations', body, { 'content-type': type });
const plain = (inputs: string): FuzzRequest => of(`/${MODEL}`, `{"inputs":${inputs}}`);
const nine = (row: string): string => Array<string>(9).fill(row).join(',');

test.each<readonly [string, string, FuzzRequest]>([
  ['GATEWAY_INPUT_NAME', 'oip: a name', infer(oip({ name: 'z' }))],
  ['GATEWAY_INPUT_NAME', 'oip-grpc: a name', grpc({ name: 'z' })],
  ['GATEWAY_INPUT_NAME', 'vertex: a name', vertex('[{"z":[1,2]}]')],
  ['GATEWAY_INPUT_NAME', 'plain: a name', plain('{"z":[[1,2]]}')],
  ['GATEWAY_INPUT_DTYPE', 'oip: a type', infer(oip({ datatype: 'INT32' }))],
  ['GATEWAY_INPUT_DTYPE', 'oip-grpc: a type', grpc({ datatype: 'FP64' })],
  ['GATEWAY_INPUT_SHAPE', 'oip: a shape', infer(oip({ shape: [1, 3], data: '[1,2,3]' }))],
  ['GATEWAY_INPUT_SHAPE', 'oip: a rank', infer(oip({ shape: [2], data: '[1,2]' }))],
  ['GATEWAY_INPUT_SHAPE', 'oip-grpc: a shape', grpc({ shape: [1, 3], values: [1, 2, 3] })],
  ['GATEWAY_INPUT_SHAPE', 'torchserve: a shape', torchserve('[[1,2,3]]')],
  ['GATEWAY_INPUT_SHAPE', 'vertex: a shape', vertex('[[1]]')],
  ['GATEWAY_INPUT_SHAPE', 'sagemaker: a shape', sagemaker('1,2,3\n')],
  ['GATEWAY_INPUT_SHAPE', 'plain: a shape', plain('{"x":[[1],[2]]}')],
  ['GATEWAY_INPUT_VALUE', 'oip: NaN in binary', binary(floats(NaN, 1))],
  ['GATEWAY_INPUT_VALUE', 'oip: infinity in binary', binary(floats(1, -Infinity))],
  ['GATEWAY_INPUT_VALUE', 'oip-grpc: NaN', grpc({ values: [1, NaN] })],
  ['GATEWAY_INPUT_VALUE', 'torchserve: NaN in bytes', torchserve(floats(NaN, 1), BYTES_TYPE)],
  ['GATEWAY_INPUT_VALUE', 'oip: a number beyond its type', infer(oip({ data: '[1e40,1]' }))],
  ['GATEWAY_INPUT_VALUE', 'oip: text for a number', infer(oip({ data: '["1",2]' }))],
  ['GATEWAY_INPUT_MALFORMED', 'sagemaker: NaN as text', sagemaker('1,nan\n')],
  ['GATEWAY_INPUT_MALFORMED', 'oip: NaN, which JSON has not', infer(oip({ data: '[NaN,1]' }))],
  ['GATEWAY_INPUT_MALFORMED', 'oip: half of it', infer(oip({}).slice(0, 40))],
  ['GATEWAY_INPUT_MALFORMED', 'oip: fewer bytes than it says', binary(floats(1), 8)],
  ['GATEWAY_INPUT_MALFORMED', 'vertex: no array', vertex('7')],
  ['GATEWAY_INPUT_MALFORMED', 'plain: nothing', of(`/${MODEL}`, '')],
  ['GATEWAY_BATCH_TOO_LARGE', 'oip: nine rows', infer(oip({ shape: [9, 2], data: `[${nine('1,2')}]` }))],
  ['GATEWAY_BATCH_TOO_LARGE', 'oip-grpc: nine rows', grpc({ shape: [9, 2], values: Array<number>(18).fill(0) })],
  ['GATEWAY_BATCH_TOO_LARGE', 'torchserve: nine rows', torchserve(`[${nine('[1,2]')}]`)],
  ['GATEWAY_BATCH_TOO_LARGE', 'vertex: nine rows', vertex(`[${nine('[1,2]')}]`)],
  ['GATEWAY_BATCH_TOO_LARGE', 'sagemaker: nine rows', sagemaker('1,2\n'.repeat(9))],
  ['GATEWAY_BATCH_TOO_LARGE', 'plain: nine rows', plain(`{"x":[${nine('[1,2]')}]}`)],
  ['GATEWAY_CONTENT_TYPE', 'oip: a type of body', { ...infer(oip({})), headers: { 'content-type': 'text/plain' } }],
  ['GATEWAY_CONTENT_TYPE', 'vertex: a type of body', { ...vertex('[[1,2]]'), headers: { 'content-type': 'text/csv' } }],
])('%s: %s', async (code, _what, request) => {
  const whole = await open({ concurrency: 1 });
  const headers = { ...request.headers, authorization: `Bearer ${whole.apiKey}` };
  // Twice, with one place: it was given back.
  for (let n = 0; n < 2; n++) {
    const answer = await send(whole.front.port, { ...request, headers }, agent);
    const { http } = ERRORS[code as keyof typeof ERRORS] as { readonly http: number };
    expect(answer).toMatchObject({ code, status: request.headers['content-type'] === GRPC['content-type'] ? 200 : http });
    expect(http).toBeGreaterThanOrEqual(400);
    expect(http).toBeLessThan(500);
  }
  await whole.quiet();
  expect(whole.faults).toEqual([]);
  expect(whole.rows.map((row) => row.code)).toEqual([code, code]);
}); // biome-ignore format: a table

test('a message of gRPC that names no model: a status of gRPC, once it is known who asks, and no row', async () => {
  const whole = await open();
  const named = { ...GRPC, authorization: `Bearer ${whole.apiKey}` };
  for (const message of [frame(Buffer.from(`\x0a\x01${MODEL}\x2a\x7f`)), frame(Buffer.alloc(0)), Buffer.alloc(3)]) {
    const stranger = await send(whole.front.port, of(grpc({}).path, message, GRPC), agent);
    expect(stranger).toMatchObject({ status: 200, code: 'GATEWAY_CREDENTIAL_MISSING' });
    const answer = await send(whole.front.port, of(grpc({}).path, message, named), agent);
    expect(answer).toMatchObject({ status: 200, code: 'GATEWAY_INPUT_MALFORMED' });
  }
  expect([whole.rows, whole.faults]).toEqual([[], []]);
});

test('a body above the cap of the listener: 413 before it is read, and no row', async () => {
  const whole = await open({ limits: { bodyBytesMax: 1000 } });
  const headers = { ...JSON_TYPE, authorization: `Bearer ${whole.apiKey}` };
  const answer = await send(whole.front.port, of(`/v2/models/${MODEL}/infer`, 'x'.repeat(1001), headers), agent);
  expect(answer).toMatchObject({ status: 413, code: 'GATEWAY_BODY_TOO_LARGE' });
  await whole.quiet();
  expect(whole.rows).toEqual([]);
});

test('SQL in a credential reaches no table: it is refused as any other (CVE-2026-42208)', async () => {
  const whole = await open();
  for (const credential of ["' OR '1'='1' --", "x'; DROP TABLE apikey; --", '1 UNION SELECT * FROM apikey', "admin'/*", '%27%20OR%201=1']) {
    for (const name of ['authorization', 'x-api-key']) {
      const value = name === 'authorization' ? `Bearer ${credential}` : credential;
      const answer = await send(whole.front.port, of(`/v2/models/${MODEL}/infer`, oip({}), { ...JSON_TYPE, [name]: value }), agent);
      expect(answer).toMatchObject({ status: 401, code: 'GATEWAY_CREDENTIAL_INVALID' });
    }
  }
  expect(whole.rows).toEqual([]);
}); // biome-ignore format: shorter
