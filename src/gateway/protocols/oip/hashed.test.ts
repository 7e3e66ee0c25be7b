/** Tensors of requests that go on, as the log has them: the hash of a model of the gateway's own, or a refusal. */
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../../test/error-code.ts';
import type { Call, ModelSignature } from '../../ports.ts';
import { hashTensors } from '../../tensors/hash.ts';
import type { RequestBytes, UpstreamPlan } from '../ports.ts';
import { createOip } from './oip.ts';

const oip = createOip();
const CALL: Call = { protocol: 'oip', kind: 'infer', model: 'm', version: null, route: '' };
const OPEN = { topK: null, decimals: null, isLabelOnly: false, hidden: [] };
const SIGNATURE: ModelSignature = {
  inputs: [
    { name: 'a', dtype: 'f32', shape: [null, 2] },
    { name: 'b', dtype: 'bool', shape: [3] },
  ],
  outputs: [{ name: 'y', dtype: 'f32', shape: [null, 2] }],
};

function toRequest(head: string, ...parts: readonly Uint8Array[]): RequestBytes {
  const length = parts.length === 0 ? {} : { 'inference-header-content-length': String(Buffer.byteLength(head)) };
  return {
    headers: { 'content-type': 'application/json', ...length },
    body: Buffer.concat([Buffer.from(head), ...parts]),
  };
}

const plan = (request: RequestBytes, signature: ModelSignature | null = null): UpstreamPlan =>
  oip.proxy.toUpstream(CALL, request, { name: 'm', version: null, signature }, OPEN, { batchMax: 8, isHashed: true });

const A = '"name":"a","datatype":"FP32","shape":[1,2]';
const B = '{"name":"b","datatype":"BOOL","shape":[3],"data":[true,false,true]}';
const floats = new Uint8Array(Float32Array.of(0.1, -0).buffer);

/** One request in all its forms. */
const FORMS: readonly (readonly [string, RequestBytes])[] = [
  ['flat', toRequest(`{"inputs":[{${A},"data":[0.1,-0.0]},${B}]}`)],
  ['nested, other digits, another order', toRequest(`{"inputs":[${B},{${A},"data":[[1e-1,0]]}]}`)],
  ['values before their head', toRequest(`{"inputs":[{"data":[0.1,0],${A}},${B}]}`)],
  ['binary', toRequest(`{"inputs":[{${A},"parameters":{"binary_data_size":8}},${B}]}`, floats)],
  [
    'all binary',
    toRequest(
      `{"inputs":[{"name":"b","datatype":"BOOL","shape":[3],"parameters":{"binary_data_size":3}},{${A},"parameters":{"binary_data_size":8}}]}`,
      Uint8Array.of(1, 0, 1),
      floats,
    ),
  ],
];

describe('the tensors of a request that goes on', () => {
  test.each(FORMS)('%s, have the hash that they have in a model of the gateway', (_name, request) => {
    const held = oip.embedded!.decode(FORMS[0][1], SIGNATURE, { batchMax: 8, answerBytesMax: 1 << 20 });
    for (const signature of [null, SIGNATURE]) {
      const made = plan(request, signature);
      expect(hashTensors(made.tensors!)).toEqual(hashTensors(held.inputs));
      expect(made.request.body).toBe(request.body);
    }
  });

  test('may be no numbers in binary: each has a hash of its own, bit for bit', () => {
    const toBinary = (value: number): UpstreamPlan =>
      plan(
        toRequest(
          `{"inputs":[{${A},"parameters":{"binary_data_size":8}}]}`,
          new Uint8Array(Float32Array.of(value, 1).buffer),
        ),
      );
    const hashes = [NaN, Infinity, -Infinity].map((value) => hashTensors(toBinary(value).tensors!).toString());
    expect(new Set(hashes).size).toBe(3);
  });

  test('have none where one of them holds texts', () => {
    const texts = '{"name":"t","datatype":"BYTES","shape":[1],"data":["word"]}';
    expect(plan(toRequest(`{"inputs":[${texts},${B}]}`))).not.toHaveProperty('tensors');
  });

  test('are not read where nobody asks for their hash', () => {
    const behind = { name: 'm', version: null, signature: null };
    expect(oip.proxy.toUpstream(CALL, FORMS[0][1], behind, OPEN, { batchMax: 8 })).not.toHaveProperty('tensors');
  });

  test.each([
    ['fewer values than the shape', `{"inputs":[{${A},"data":[1]}]}`, 'GATEWAY_INPUT_SHAPE'],
    ['a value beyond the type', `{"inputs":[{${A},"data":[1,1e39]}]}`, 'GATEWAY_INPUT_VALUE'],
    ['a text among numbers', `{"inputs":[{${A},"data":[1,"2"]}]}`, 'GATEWAY_INPUT_VALUE'],
    ['an input that is there twice', `{"inputs":[${B},${B}]}`, 'GATEWAY_INPUT_NAME'],
    [
      'a shape that no body holds',
      `{"inputs":[{"name":"a","datatype":"FP32","shape":[1,4000000000],"data":[1]}]}`,
      'GATEWAY_INPUT_SHAPE',
    ],
  ])('with %s go nowhere', (_name, head, code) => {
    expect(codeOf(() => plan(toRequest(head)))).toBe(code);
  });

  test('with other bytes than their shape go nowhere', () => {
    const request = toRequest(`{"inputs":[{${A},"parameters":{"binary_data_size":4}}]}`, floats.subarray(4));
    expect(codeOf(() => plan(request))).toBe('GATEWAY_INPUT_SHAPE');
  });
});
