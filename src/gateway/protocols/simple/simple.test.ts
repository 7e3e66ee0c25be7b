/** TorchServe, SageMaker, Vertex and plain routes: one model behind each of their forms. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../../test/error-code.ts';
import { toHex } from '../../../core/bytes.ts';
import type { Call, GatewayAnswer, ModelSignature, NamedTensor, OutputPolicy } from '../../ports.ts';
import { createPlain } from '../plain.ts';
import type { Protocol, RequestBytes } from '../ports.ts';
import { createSagemaker } from '../sagemaker.ts';
import { createTorchserve } from '../torchserve.ts';
import { createVertex } from '../vertex.ts';

const torchserve = createTorchserve();
const sagemaker = createSagemaker({ model: 'iris' });
const vertex = createVertex({ model: 'iris', predictRoute: '/predict', healthRoute: '/health' });
const plain = createPlain({ routes: [{ path: '/score', model: 'iris', version: null }], upstreamPath: '/v1/score' });

const CAPS = { batchMax: 4, answerBytesMax: 1 << 20 };
const OPEN: OutputPolicy = { topK: null, decimals: null, isLabelOnly: false, hidden: [] };
const MODEL = { name: 'iris', version: '1' };
const ONE: ModelSignature = {
  inputs: [{ name: 'x', dtype: 'f32', shape: [null, 2] }],
  outputs: [{ name: 'y', dtype: 'f32', shape: [null, 2] }],
};
const TWO: ModelSignature = {
  inputs: [
    { name: 'a', dtype: 'i64', shape: [null] },
    { name: 'b', dtype: 'f32', shape: [null, 2, null] },
  ],
  outputs: ONE.outputs,
};
const Y: NamedTensor = {
  name: 'y',
  dtype: 'f32',
  shape: [2, 2],
  data: new Uint8Array(new Float32Array([0.5, 0.25, 1, 2]).buffer),
};
const Z: NamedTensor = {
  name: 'z',
  dtype: 'i64',
  shape: [2],
  data: new Uint8Array(new BigInt64Array([7n, -8n]).buffer),
};

const json = (value: unknown, headers: Record<string, string> = {}): RequestBytes => ({
  headers: { 'content-type': 'application/json', ...headers },
  body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
});
const raw = (type: string, body: string | Uint8Array, headers: Record<string, string> = {}): RequestBytes => ({
  headers: { 'content-type': type, ...headers },
  body: Buffer.from(body),
});
const X_BYTES = new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer);
const textOf = (answer: GatewayAnswer): string => Buffer.from(answer.body as Uint8Array).toString();

/** Two rows of a model with two inputs, in either order. */
const ROWS_OF_TWO = {
  instances: [
    {
      a: 5,
      b: [
        [1, 2, 3],
        [4, 5, 6],
      ],
    },
    {
      b: [
        [7, 8, 9],
        [10, 11, 12],
      ],
      a: 6,
    },
  ],
};

describe('one tensor', () => {
  test.each([
    [
      'plain',
      plain,
      json({
        inputs: [
          [1, 2],
          [3, 4],
        ],
      }),
    ],
    [
      'plain by name',
      plain,
      json({
        inputs: {
          x: [
            [1, 2],
            [3, 4],
          ],
        },
      }),
    ],
    [
      'vertex',
      vertex,
      json({
        instances: [
          [1, 2],
          [3, 4],
        ],
      }),
    ],
    ['vertex by name', vertex, json({ instances: [{ x: [1, 2] }, { x: [3, 4] }], parameters: {} })],
    [
      'sagemaker',
      sagemaker,
      json([
        [1, 2],
        [3, 4],
      ]),
    ],
    [
      'sagemaker as instances',
      sagemaker,
      json({
        instances: [
          [1, 2],
          [3, 4],
        ],
      }),
    ],
    ['sagemaker as rows', sagemaker, raw('text/csv', '1,2\r\n3.0,4e0\n')],
    ['sagemaker as bytes', sagemaker, raw('application/octet-stream', X_BYTES)],
    [
      'torchserve',
      torchserve,
      json([
        [1, 2],
        [3, 4],
      ]),
    ],
  ] as const)('of %s is the same', (_, protocol: Protocol, request) => {
    const decoded = protocol.embedded!.decode(request, ONE, CAPS);
    expect(decoded.items).toBe(2);
    expect(decoded.inputs).toMatchObject([{ name: 'x', dtype: 'f32', shape: [2, 2] }]);
    expect(toHex(decoded.inputs[0].data)).toBe(toHex(X_BYTES));
  });

  test.each([
    ['rows beyond the cap', json({ inputs: Array(5).fill([1, 2]) }), plain, 'GATEWAY_BATCH_TOO_LARGE'],
    ['ragged rows', json({ inputs: [[1, 2], [3]] }), plain, 'GATEWAY_INPUT_SHAPE'],
    ['no rows', json({ inputs: [] }), plain, 'GATEWAY_INPUT_SHAPE'],
    ['too few axes', json({ inputs: [1, 2] }), plain, 'GATEWAY_INPUT_SHAPE'],
    ['a text', json({ inputs: [['1', 2]] }), plain, 'GATEWAY_INPUT_VALUE'],
    ['a foreign member', json({ inputs: [[1, 2]], model: 'other' }), plain, 'GATEWAY_INPUT_MALFORMED'],
    ['inputs twice', json('{"inputs":[[1,2]],"inputs":[[1,2]]}'), plain, 'GATEWAY_INPUT_MALFORMED'],
    ['nothing', json({}), plain, 'GATEWAY_INPUT_MALFORMED'],
    ['a bare array', json([[1, 2]]), plain, 'GATEWAY_INPUT_MALFORMED'],
    ['a foreign name', json({ inputs: { z: [[1, 2]] } }), plain, 'GATEWAY_INPUT_NAME'],
    ['parameters', json({ instances: [[1, 2]], parameters: { a: 1 } }), vertex, 'GATEWAY_INPUT_MALFORMED'],
    ['bytes of half a row', raw('application/octet-stream', X_BYTES.subarray(0, 12)), sagemaker, 'GATEWAY_INPUT_SHAPE'],
    ['a head of columns', raw('text/csv', 'a,b\n1,2'), sagemaker, 'GATEWAY_INPUT_MALFORMED'],
    ['rows of different lengths', raw('text/csv', '1,2\n3'), sagemaker, 'GATEWAY_INPUT_SHAPE'],
    ['an empty cell', raw('text/csv', '1,\n3,4'), sagemaker, 'GATEWAY_INPUT_MALFORMED'],
    ['another type', raw('application/x-npy', X_BYTES), sagemaker, 'GATEWAY_CONTENT_TYPE'],
    ['an answer of another type', json([[1, 2]], { accept: 'image/png' }), sagemaker, 'GATEWAY_CONTENT_TYPE'],
  ] as const)('with %s is refused', (_, request, protocol: Protocol, expected) => {
    expect(codeOf(() => protocol.embedded!.decode(request, ONE, CAPS))).toBe(expected);
  });
});

describe('several tensors', () => {
  const columns = {
    inputs: {
      b: [
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
        [
          [7, 8, 9],
          [10, 11, 12],
        ],
      ],
      a: [5, 6],
    },
  };

  test('by column and by row are the same, in the order of the signature', () => {
    const byColumn = plain.embedded!.decode(json(columns), TWO, CAPS).inputs;
    expect(vertex.embedded!.decode(json(ROWS_OF_TWO), TWO, CAPS).inputs).toEqual(byColumn);
    expect(byColumn).toMatchObject([
      { name: 'a', shape: [2] },
      { name: 'b', shape: [2, 2, 3] },
    ]);
    expect(Array.from(new Float32Array(Uint8Array.from(byColumn[1].data).buffer))).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ]);
  });

  test.each([
    ['one missing', [{ a: 5 }], 'GATEWAY_INPUT_NAME'],
    ['one missing later', [ROWS_OF_TWO.instances[0], { a: 6 }], 'GATEWAY_INPUT_NAME'],
    [
      'one of another shape later',
      [
        ROWS_OF_TWO.instances[0],
        {
          a: 6,
          b: [
            [1, 2],
            [3, 4],
          ],
        },
      ],
      'GATEWAY_INPUT_SHAPE',
    ],
    ['rows that are none', [ROWS_OF_TWO.instances[0], 5], 'GATEWAY_INPUT_MALFORMED'],
    ['no names', [[1, 2]], 'GATEWAY_INPUT_NAME'],
  ])('with %s are refused', (_, instances, expected) => {
    expect(codeOf(() => vertex.embedded!.decode(json({ instances }), TWO, CAPS))).toBe(expected);
  });
});

describe('an answer', () => {
  const say = (protocol: Protocol, request: RequestBytes, outputs: readonly NamedTensor[]): string => {
    const { form } = protocol.embedded!.decode(request, ONE, CAPS);
    return textOf(protocol.embedded!.encode(form, MODEL, outputs));
  };
  const rows = [
    [1, 2],
    [3, 4],
  ];

  test('has the form of the protocol, or that which was asked for', () => {
    expect(say(plain, json({ inputs: rows }), [Y])).toBe('{"outputs":{"y":[[0.5,0.25],[1,2]]}}');
    expect(say(vertex, json({ instances: rows }), [Y])).toBe('{"predictions":[[0.5,0.25],[1,2]]}');
    expect(say(vertex, json({ instances: rows }), [Y, Z])).toBe(
      '{"predictions":[{"y":[0.5,0.25],"z":7},{"y":[1,2],"z":-8}]}',
    );
    expect(say(sagemaker, json(rows), [Y])).toBe('[[0.5,0.25],[1,2]]');
    expect(say(sagemaker, json(rows, { accept: 'text/csv' }), [Y, Z])).toBe('0.5,0.25,7\n1,2,-8\n');
    expect(say(sagemaker, raw('text/csv', '1,2', { accept: 'application/json' }), [Y])).toBe('[[0.5,0.25],[1,2]]');
    expect(say(torchserve, json(rows), [Y, Z])).toBe('{"y":[[0.5,0.25],[1,2]],"z":[7,-8]}');
    const { form } = sagemaker.embedded!.decode(raw('application/octet-stream', X_BYTES), ONE, CAPS);
    expect(sagemaker.embedded!.encode(form, MODEL, [Y]).body).toBe(Y.data);
    expect(codeOf(() => sagemaker.embedded!.encode(form, MODEL, [Y, Z]))).toBe('GATEWAY_ANSWER_SHAPE');
  });
});

describe('what goes on and comes back', () => {
  const call = (protocol: Protocol['name']): Call => ({
    protocol,
    kind: 'infer',
    model: 'iris',
    version: null,
    route: '',
  });
  const upstream = { name: 'up', version: '2', signature: null };
  const send = (protocol: Protocol, request: RequestBytes) =>
    protocol.proxy.toUpstream(call(protocol.name), request, upstream, OPEN, CAPS);

  test('is asked by the path of the table, with a closed list of headers', () => {
    const headers = {
      authorization: 'Bearer x',
      'x-amzn-sagemaker-custom-attributes': 'a=1',
      'x-amzn-sagemaker-target-model': 'm.tar.gz',
    };
    expect(send(torchserve, raw('image/jpeg', 'x', headers)).request).toMatchObject({
      path: '/predictions/up/2',
      headers: [['content-type', 'image/jpeg']],
    });
    expect(send(sagemaker, raw('image/jpeg', 'x', headers)).request.headers).toEqual([['content-type', 'image/jpeg']]);
    expect(send(plain, json({ inputs: { x: [1, 2, 3] } }))).toMatchObject({ items: 3, request: { path: '/v1/score' } });
    expect(send(vertex, json({ instances: [1, 2], parameters: { k: 1 } })).items).toBe(2);
    expect(send(sagemaker, raw('text/csv', '1\n2\n3')).items).toBe(3);
  });

  test.each([
    ['those that were named', 'trace=1, user=a/b-c', 'trace=1,user=a/b-c'],
    ['not the model of another caller', 'tfs-model-name=other,trace=1', 'trace=1'],
    ['not what a server finds within a value', 'trace=tfs-model-name=other', undefined],
    ['none without a name', 'free text', undefined],
  ])('of custom attributes of SageMaker hands on %s', (_, attributes, expected) => {
    const protocol = createSagemaker({ model: 'iris', attributes: ['trace', 'user'] });
    const { request } = send(protocol, json([1], { 'x-amzn-sagemaker-custom-attributes': attributes }));
    expect(new Map(request.headers).get('x-amzn-sagemaker-custom-attributes')).toBe(expected);
  });

  test.each([
    ['lines that end in the old way', sagemaker, raw('text/csv', '1\r2\r\n3\r'), 3],
    ['lines of JSON', sagemaker, raw('application/jsonlines', '{"x":1}\n{"x":2}\n'), 2],
    ['JSON that says it is text', torchserve, raw('text/plain', ' [[1],[2],[3]]'), 3],
    ['JSON of a type of its own', torchserve, raw('application/vnd.a+json', '{"instances":[1,2]}'), 2],
    ['JSON that says nothing', torchserve, raw('', '{"instances":[1,2]}'), 2],
    ['text', torchserve, raw('text/plain', 'a\nb\nc'), 1],
    ['bytes that begin like JSON', torchserve, raw('', '[\0\0\x01'), 1],
    ['JSON behind a mark of its encoding', torchserve, raw('text/plain', '\ufeff[1,2,3]'), 3],
    ['JSON that says it is bytes', torchserve, raw('application/octet-stream', '{"instances":[1,2]}'), 2],
    ['JSON that says it is a picture', torchserve, raw('image/png', '[1,2]'), 2],
    ['a picture', torchserve, raw('image/png', Buffer.from('89504e470d0a1a0a', 'hex')), 1],
    ['bytes of which the first look like JSON', torchserve, raw('image/x', Buffer.from('[1,2,\xff]', 'latin1')), 1],
  ] as const)('has as many rows as a server reads: %s', (_, protocol: Protocol, request, items) => {
    expect(send(protocol, request).items).toBe(items);
  });

  test('says of JSON no charset in which it would read otherwise', () => {
    const { request } = send(sagemaker, raw('Application/JSON; charset=utf-7', '[1]'));
    expect(request.headers).toEqual([['content-type', 'application/json']]);
  });

  test.each([
    ['too many rows', vertex, json({ instances: [1, 2, 3, 4, 5] }), 'GATEWAY_BATCH_TOO_LARGE'],
    ['rows twice', sagemaker, json('{"instances":[1],"instances":[1,2,3,4,5]}'), 'GATEWAY_INPUT_MALFORMED'],
    ['a foreign member', plain, json({ inputs: [1], file: '/etc/passwd' }), 'GATEWAY_INPUT_MALFORMED'],
    ['no JSON', vertex, raw('text/plain', 'x'), 'GATEWAY_CONTENT_TYPE'],
    ['compression', sagemaker, raw('text/csv', 'x', { 'content-encoding': 'gzip' }), 'GATEWAY_CONTENT_TYPE'],
  ] as const)('is refused with %s', (_, protocol: Protocol, request, expected) => {
    expect(codeOf(() => send(protocol, request))).toBe(expected);
  });

  const come = (text: string, type = 'application/json'): Parameters<Protocol['proxy']['toAnswer']>[1] => ({
    status: 200,
    headers: [['content-type', type]],
    body: Buffer.from(text),
  });
  const back = (
    protocol: Protocol,
    text: string,
    policy: Partial<OutputPolicy>,
    signature: ModelSignature | null,
    type?: string,
  ): string => {
    const plan = {
      request: { method: 'POST', path: '/', headers: [], body: new Uint8Array(), isStreamed: false },
      items: 2,
    };
    const rules = {
      call: call(protocol.name),
      model: MODEL,
      signature,
      policy: { ...OPEN, ...policy },
      items: 2,
      answerBytesMax: 1 << 20,
    };
    return textOf(protocol.proxy.toAnswer(plan, come(text, type), rules));
  };

  test('loses the names of deployments and files', () => {
    expect(back(vertex, '{"deployedModelId":"1","predictions":[1],"model":"/m"}', {}, null)).toBe(
      '{"predictions":[1]}',
    );
    expect(back(plain, '{"outputs":{"y":[1]}}', {}, null)).toBe('{"outputs":{"y":[1]}}');
  });

  test('tells in no header what a policy keeps back', () => {
    const name = 'x-amzn-sagemaker-custom-attributes';
    const answer = {
      ...come('[[0.1,0.9],[0.8,0.2]]'),
      headers: [
        ['content-type', 'application/json'],
        [name, 'p=0.9'],
      ],
    };
    const plan = send(sagemaker, json([[1], [2]]));
    const see = (policy: OutputPolicy) => {
      const rules = {
        call: call('sagemaker'),
        model: MODEL,
        signature: ONE,
        items: 2,
        answerBytesMax: 1 << 20,
        policy,
      };
      return new Map(sagemaker.proxy.toAnswer(plan, answer as never, rules).headers).get(name);
    };
    expect([see(OPEN), see({ ...OPEN, isLabelOnly: true })]).toEqual(['p=0.9', undefined]);
  });

  test('is held against the signature, and cut as the policy says', () => {
    expect(back(vertex, '{"predictions":[[0.1,0.9],[0.8,0.2]]}', { isLabelOnly: true }, ONE)).toBe(
      '{"predictions":[1,0]}',
    );
    expect(back(plain, '{"outputs":{"y":[[0.123,0.9],[0.8,0.2]]}}', { decimals: 1 }, ONE)).toBe(
      '{"outputs":{"y":[[0.1,0.9],[0.8,0.2]]}}',
    );
    expect(back(sagemaker, '0.1,0.9\n0.8,0.2\n', { topK: 1 }, ONE, 'text/csv')).toBe(
      `0,${Math.fround(0.9)}\n${Math.fround(0.8)},0\n`,
    );
    expect(codeOf(() => back(vertex, '{"predictions":[[0.1,0.9]]}', {}, ONE))).toBe('GATEWAY_ANSWER_SHAPE');
    expect(codeOf(() => back(torchserve, '[[1,2],[3,4]]', { topK: 1 }, null))).toBe('GATEWAY_ANSWER_SHAPE');
    expect(codeOf(() => back(plain, '{"error":"x"}', {}, null))).toBe('GATEWAY_UPSTREAM_MALFORMED');
    expect(codeOf(() => back(torchserve, '{"weights":[1]}', {}, ONE))).toBe('GATEWAY_UPSTREAM_MALFORMED');
  });
});

test('a mutated body is read or refused with a code of the gateway, thousands of times', () => {
  const whole = json(ROWS_OF_TWO);
  const codes = new Set<string>();
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.body.length - 1), fc.nat(127)), { minLength: 1, maxLength: 3 }),
      (changes) => {
        const body = Uint8Array.from(whole.body);
        for (const [at, byte] of changes) body[at] = byte;
        codes.add(codeOf(() => vertex.embedded!.decode({ ...whole, body }, TWO, CAPS)));
        codes.add(codeOf(() => sagemaker.embedded!.decode({ ...whole, body }, ONE, CAPS)));
        codes.add(
          codeOf(() => sagemaker.embedded!.decode({ headers: { 'content-type': 'text/csv' }, body }, ONE, CAPS)),
        );
      },
    ),
    { numRuns: 3000 },
  );
  expect([...codes].filter((code) => code !== 'no error' && !code.startsWith('GATEWAY_'))).toEqual([]);
  expect(codes.size).toBeGreaterThan(2);
});
