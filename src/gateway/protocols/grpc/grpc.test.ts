/** gRPC of the Open Inference Protocol against messages of another protobuf implementation. */
import fc from 'fast-check';
import type { Root } from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../../test/error-code.ts';
import { importable } from '../../../../test/importable.ts';
import { toHex } from '../../../core/bytes.ts';
import type { Call, GatewayAnswer, ModelSignature, NamedTensor, OutputPolicy } from '../../ports.ts';
import { createOipGrpc } from './grpc.ts';

/** The messages of the specification that are asked for, with its numbers. */
const PROTO = `syntax = "proto3"; package inference;
message Live { bool live = 1; }
message Named { string name = 1; string version = 2; }
message Server { string name = 1; string version = 2; repeated string extensions = 3; }
message Meta {
  message Tensor { string name = 1; string datatype = 2; repeated int64 shape = 3; }
  string name = 1; repeated string versions = 2; string platform = 3; repeated Tensor inputs = 4; repeated Tensor outputs = 5;
}
message Param { oneof choice { bool bool_param = 1; int64 int64_param = 2; string string_param = 3; double double_param = 4; } }
message Contents {
  repeated bool bool_contents = 1; repeated int32 int_contents = 2; repeated int64 int64_contents = 3;
  repeated uint32 uint_contents = 4; repeated uint64 uint64_contents = 5; repeated float fp32_contents = 6;
  repeated double fp64_contents = 7; repeated bytes bytes_contents = 8;
}
message Loose { repeated int32 int_contents = 2 [packed=false]; repeated float fp32_contents = 6 [packed=false]; }
message Tensor { string name = 1; string datatype = 2; repeated int64 shape = 3; map<string, Param> parameters = 4; Contents contents = 5; }
message Wanted { string name = 1; map<string, Param> parameters = 2; }
message Request {
  string model_name = 1; string model_version = 2; string id = 3; map<string, Param> parameters = 4;
  repeated Tensor inputs = 5; repeated Wanted outputs = 6; repeated bytes raw_input_contents = 7;
}
message Answer {
  string model_name = 1; string model_version = 2; string id = 3; map<string, Param> parameters = 4;
  repeated Tensor outputs = 5; repeated bytes raw_output_contents = 6;
}`;

const HEADERS = { 'content-type': 'application/grpc' };
const CAPS = { batchMax: 8, answerBytesMax: 1 << 20 };
const OPEN: OutputPolicy = { topK: null, decimals: null, isLabelOnly: false, hidden: [] };
const MODEL = { name: 'm', version: '1' };
const grpc = createOipGrpc();
const embedded = grpc.embedded!;
const PATH = '/inference.GRPCInferenceService/';

function toFrame(message: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

const bodyOf = (answer: GatewayAnswer): Uint8Array => (answer.body as Uint8Array).subarray(5);
const SIGNATURE: ModelSignature = {
  inputs: [{ name: 'x', dtype: 'f32', shape: [null, 2] }],
  outputs: [{ name: 'y', dtype: 'f32', shape: [null, 2] }],
};
const X_DATA = new Uint8Array(new Float32Array([1, -2.5]).buffer);
const CALL: Call = { protocol: 'oip-grpc', kind: 'infer', model: 'm', version: '1', route: '' };

describe('a frame', () => {
  const bad: readonly (readonly [string, Uint8Array, string])[] = [
    ['nothing', new Uint8Array(), 'GATEWAY_INPUT_MALFORMED'],
    ['a length beyond the body', new Uint8Array([0, 0, 0, 0, 1]), 'GATEWAY_INPUT_MALFORMED'],
    ['two messages', new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 'GATEWAY_INPUT_MALFORMED'],
    ['a compressed message', new Uint8Array([1, 0, 0, 0, 0]), 'GATEWAY_CONTENT_TYPE'],
    ['a message without a model', toFrame(new Uint8Array()), 'GATEWAY_INPUT_MALFORMED'],
    ['a way to another folder for a model', toFrame(Buffer.from('\x0a\x04../x')), 'GATEWAY_INPUT_MALFORMED'],
    ['a model twice', toFrame(Buffer.from('\x0a\x01a\x0a\x01b')), 'GATEWAY_INPUT_MALFORMED'],
    ['a text that breaks off', toFrame(Buffer.from('\x0a\x09a')), 'GATEWAY_INPUT_MALFORMED'],
    ['a group', toFrame(Buffer.from('\x0b\x0c')), 'GATEWAY_INPUT_MALFORMED'],
    ['a varint without end', toFrame(new Uint8Array(12).fill(0xff)), 'GATEWAY_INPUT_MALFORMED'],
  ];
  test.each(bad)('of %s is refused', (_, body, expected) => {
    const request = { method: 'POST', path: `${PATH}ModelInfer`, headers: HEADERS, body };
    expect(codeOf(() => grpc.findCall(request))).toBe(expected);
  });

  test('of another type of content is refused', () => {
    const request = { method: 'POST', path: `${PATH}ServerLive`, headers: {}, body: toFrame(new Uint8Array()) };
    expect(codeOf(() => grpc.findCall(request))).toBe('GATEWAY_CONTENT_TYPE');
    expect(grpc.findCall({ ...request, method: 'GET' })).toBe('method');
  });
});

test('an error is a status of gRPC with our code', () => {
  const answer = grpc.encodeError('GATEWAY_RATE_LIMITED', { upstream: '10.0.0.1' });
  expect(answer).toMatchObject({ status: 200, body: new Uint8Array() });
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'grpc-status': '8',
    'x-modelward-code': 'GATEWAY_RATE_LIMITED',
  });
  expect(JSON.stringify(answer)).not.toContain('10.0.0.1');
});

describe.skipIf(!(await importable('protobufjs')))('messages of protobufjs', async () => {
  const { default: protobuf } = await import('protobufjs');
  const root: Root = protobuf.parse(PROTO, { keepCase: true }).root;
  const encode = (type: string, value: object): Uint8Array => {
    const message = root.lookupType(`inference.${type}`);
    return message.encode(message.fromObject(value)).finish();
  };
  const decode = (type: string, bytes: Uint8Array): Record<string, unknown> => {
    const message = root.lookupType(`inference.${type}`);
    return message.toObject(message.decode(bytes), { longs: Number, bytes: String });
  };
  const toRequest = (value: object): { headers: typeof HEADERS; body: Uint8Array } => ({
    headers: HEADERS,
    body: toFrame(encode('Request', value)),
  });
  const base = {
    model_name: 'm',
    model_version: '1',
    id: '7',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], contents: { fp32_contents: [1, -2.5] } }],
  };
  const rawBase = { ...base, inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2] }], raw_input_contents: [X_DATA] };

  test('name the model for every call that has one', () => {
    const find = (path: string, message: Uint8Array): unknown =>
      grpc.findCall({ method: 'POST', path: `${PATH}${path}`, headers: HEADERS, body: toFrame(message) });
    expect(find('ModelInfer', encode('Request', rawBase))).toEqual(CALL);
    expect(find('ModelReady', encode('Named', { name: 'm' }))).toMatchObject({
      kind: 'model-ready',
      model: 'm',
      version: null,
    });
    expect(find('ModelMetadata', encode('Named', { name: 'm', version: '2' }))).toMatchObject({
      kind: 'model-metadata',
      version: '2',
    });
    expect(find('ServerReady', new Uint8Array())).toMatchObject({ kind: 'server-ready', model: null });
  });

  test('with typed and raw values are the same tensors, the raw ones not copied', () => {
    const typed = embedded.decode(toRequest(base), SIGNATURE, CAPS);
    const request = toRequest(rawBase);
    const raw = embedded.decode(request, SIGNATURE, CAPS);
    expect(toHex(typed.inputs[0].data)).toBe(toHex(X_DATA));
    expect(toHex(raw.inputs[0].data)).toBe(toHex(X_DATA));
    expect(raw.inputs[0].data.buffer).toBe(request.body.buffer);
    expect(raw).toMatchObject({ items: 1, form: { id: '7', outputs: null } });
  });

  test.each([
    ['BOOL', 'bool', 'bool_contents', [true, false], '0100'],
    ['INT8', 'i8', 'int_contents', [-128, 127], '807f'],
    ['INT16', 'i16', 'int_contents', [-2, 32767], 'feffff7f'],
    ['INT32', 'i32', 'int_contents', [-1, 2], 'ffffffff02000000'],
    ['INT64', 'i64', 'int64_contents', [-1, 2], 'ffffffffffffffff0200000000000000'],
    ['UINT8', 'u8', 'uint_contents', [0, 255], '00ff'],
    ['UINT16', 'u16', 'uint_contents', [1, 65535], '0100ffff'],
    ['UINT32', 'u32', 'uint_contents', [1, 4294967295], '01000000ffffffff'],
    ['UINT64', 'u64', 'uint64_contents', [1, 2], '01000000000000000200000000000000'],
    ['FP64', 'f64', 'fp64_contents', [1, -2], '000000000000f03f00000000000000c0'],
  ] as const)('carry %s', (datatype, dtype, field, values, hex) => {
    const signature: ModelSignature = { inputs: [{ name: 'x', dtype, shape: [2] }], outputs: [] };
    const inputs = [{ name: 'x', datatype, shape: [2], contents: { [field]: values } }];
    expect(toHex(embedded.decode(toRequest({ ...base, inputs }), signature, CAPS).inputs[0].data)).toBe(hex);
  });

  test('may have their values one by one', () => {
    const contents = encode('Loose', { fp32_contents: [1, -2.5] });
    const tensor = Buffer.concat([
      encode('Tensor', { name: 'x', datatype: 'FP32', shape: [1, 2] }),
      Buffer.from([0x2a, contents.length]),
      contents,
    ]);
    const message = Buffer.concat([encode('Request', { model_name: 'm' }), Buffer.from([0x2a, tensor.length]), tensor]);
    const decoded = embedded.decode({ headers: HEADERS, body: toFrame(message) }, SIGNATURE, CAPS);
    expect(toHex(decoded.inputs[0].data)).toBe(toHex(X_DATA));
  });

  test.each([
    [
      'an int8 of 128',
      { inputs: [{ name: 'x', datatype: 'INT8', shape: [2], contents: { int_contents: [1, 128] } }] },
      'i8',
      'GATEWAY_INPUT_VALUE',
    ],
    [
      'a uint8 of 256',
      { inputs: [{ name: 'x', datatype: 'UINT8', shape: [2], contents: { uint_contents: [1, 256] } }] },
      'u8',
      'GATEWAY_INPUT_VALUE',
    ],
    [
      'NaN',
      { inputs: [{ name: 'x', datatype: 'FP32', shape: [2], contents: { fp32_contents: [1, NaN] } }] },
      'f32',
      'GATEWAY_INPUT_VALUE',
    ],
    [
      'too few values',
      { inputs: [{ name: 'x', datatype: 'FP32', shape: [2], contents: { fp32_contents: [1] } }] },
      'f32',
      'GATEWAY_INPUT_SHAPE',
    ],
    [
      'values of another type',
      { inputs: [{ name: 'x', datatype: 'FP32', shape: [2], contents: { fp64_contents: [1, 2] } }] },
      'f32',
      'GATEWAY_INPUT_MALFORMED',
    ],
    [
      'typed FP16',
      { inputs: [{ name: 'x', datatype: 'FP16', shape: [2], contents: { fp32_contents: [1, 2] } }] },
      'f16',
      'GATEWAY_INPUT_MALFORMED',
    ],
    ['a negative axis', { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }] }, 'f32', 'GATEWAY_INPUT_SHAPE'],
    ['raw and typed values', { ...base, raw_input_contents: [X_DATA] }, 'f32', 'GATEWAY_INPUT_MALFORMED'],
    [
      'an unknown output',
      { ...rawBase, inputs: [{ name: 'x', datatype: 'FP32', shape: [2] }], outputs: [{ name: 'z' }] },
      'f32',
      'GATEWAY_INPUT_NAME',
    ],
    [
      'shared memory',
      {
        inputs: [
          { name: 'x', datatype: 'FP32', shape: [2], parameters: { shared_memory_region: { string_param: 'r' } } },
        ],
      },
      'f32',
      'GATEWAY_INPUT_MALFORMED',
    ],
  ] as const)('with %s are refused', (_, value, dtype, expected) => {
    const signature: ModelSignature = { inputs: [{ name: 'x', dtype, shape: [2] }], outputs: [] };
    expect(codeOf(() => embedded.decode(toRequest(value), signature, CAPS))).toBe(expected);
  });

  test('read our answers: inference, health and metadata', () => {
    const y: NamedTensor = { name: 'y', dtype: 'f32', shape: [1, 2], data: X_DATA };
    const { form } = embedded.decode(toRequest(rawBase), SIGNATURE, CAPS);
    const answer = embedded.encode(form, MODEL, [y], { parameters: { integrity: 'tag' } });
    expect(answer.trailers?.()).toEqual([['grpc-status', '0']]);
    expect(decode('Answer', bodyOf(answer))).toMatchObject({
      model_name: 'm',
      model_version: '1',
      id: '7',
      parameters: { integrity: { string_param: 'tag' } },
      outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 2] }],
      raw_output_contents: [Buffer.from(X_DATA).toString('base64')],
    });
    expect(decode('Live', bodyOf(grpc.encodeInfo({ kind: 'server-live' })))).toEqual({ live: true });
    expect(decode('Live', bodyOf(grpc.encodeInfo({ kind: 'model-ready', name: 'm', isReady: false })))).toEqual({});
    const info = grpc.encodeInfo({ kind: 'model-metadata', name: 'm', versions: ['1', '2'], signature: SIGNATURE });
    expect(decode('Meta', bodyOf(info))).toEqual({
      name: 'm',
      versions: ['1', '2'],
      platform: 'modelward',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
    });
  });

  test('go on as they are, or under the name that the server has', () => {
    const request = toRequest({ ...rawBase, outputs: [{ name: 'y' }] });
    const same = grpc.proxy.toUpstream(CALL, request, { ...MODEL, signature: SIGNATURE }, OPEN, CAPS);
    expect(same).toMatchObject({ items: 1, request: { path: `${PATH}ModelInfer`, isStreamed: false } });
    expect(same.request.body).toBe(request.body);
    const other = grpc.proxy.toUpstream(CALL, request, { name: 'resnet', version: null, signature: null }, OPEN, CAPS);
    expect(decode('Request', other.request.body.subarray(5))).toEqual({
      ...decode('Request', request.body.subarray(5)),
      model_name: 'resnet',
      model_version: undefined,
    });
  });

  test('come back as they are, under our name, and as the policy says', () => {
    const plan = grpc.proxy.toUpstream(CALL, toRequest(rawBase), { ...MODEL, signature: SIGNATURE }, OPEN, CAPS);
    const rules = { call: CALL, model: MODEL, signature: SIGNATURE, policy: OPEN, items: 1, answerBytesMax: 1 << 20 };
    const come = (value: object, status = '0'): Parameters<typeof grpc.proxy.toAnswer>[1] => ({
      status: 200,
      headers: [['content-type', 'application/grpc']],
      body: toFrame(encode('Answer', value)),
      trailers: () => [
        ['grpc-status', status],
        ['grpc-message', '/models/m.onnx'],
      ],
    });
    const good = {
      model_name: 'm',
      model_version: '1',
      outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 2] }],
      raw_output_contents: [X_DATA],
    };
    const came = come(good);
    expect(grpc.proxy.toAnswer(plan, came, rules).body).toBe(came.body);
    const renamed = grpc.proxy.toAnswer(
      plan,
      come({ ...good, model_name: '/x', parameters: { path: { string_param: '/x' } } }),
      rules,
    );
    expect(decode('Answer', bodyOf(renamed))).toEqual(decode('Answer', bodyOf({ ...came, headers: [] })));
    const label = grpc.proxy.toAnswer(plan, come(good), { ...rules, policy: { ...OPEN, isLabelOnly: true } });
    expect(decode('Answer', bodyOf(label)).outputs).toEqual([{ name: 'y', datatype: 'INT64', shape: [1] }]);
    expect(codeOf(() => grpc.proxy.toAnswer(plan, come(good, '13'), rules))).toBe('GATEWAY_UPSTREAM_REFUSED');
    expect(
      codeOf(() => grpc.proxy.toAnswer(plan, come({ ...good, raw_output_contents: [new Uint8Array(4)] }), rules)),
    ).toBe('GATEWAY_ANSWER_SHAPE');
    expect(codeOf(() => grpc.proxy.toAnswer(plan, { ...came, body: new Uint8Array(3) }, rules))).toBe(
      'GATEWAY_UPSTREAM_MALFORMED',
    );
  });

  test('that were mutated are read or refused with a code of the gateway, thousands of times', () => {
    const whole = toRequest({ ...base, outputs: [{ name: 'y' }], parameters: {} });
    const codes = new Set<string>();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.body.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        (changes) => {
          const body = Uint8Array.from(whole.body);
          for (const [at, byte] of changes) body[at] = byte;
          const request = { headers: HEADERS, body };
          codes.add(codeOf(() => grpc.findCall({ method: 'POST', path: `${PATH}ModelInfer`, ...request })));
          codes.add(codeOf(() => embedded.decode(request, SIGNATURE, CAPS)));
          codes.add(codeOf(() => grpc.proxy.toUpstream(CALL, request, { ...MODEL, signature: null }, OPEN, CAPS)));
        },
      ),
      { numRuns: 4000 },
    );
    expect([...codes].filter((code) => code !== 'no error' && !code.startsWith('GATEWAY_'))).toEqual([]);
    expect(codes.size).toBeGreaterThan(4);
  });
});
