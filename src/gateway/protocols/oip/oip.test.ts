/** Requests of the Open Inference Protocol for a model that the gateway holds. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../../test/error-code.ts';
import {
  binary,
  CAPS,
  INFER,
  INPUT0,
  INPUT1,
  json,
  MODEL,
  oip,
  OPEN,
  SIGNATURE,
  textOf,
} from '../../../../test/fakes/oip-model.ts';
import { toHex } from '../../../core/bytes.ts';
import type { ModelSignature, NamedTensor } from '../../ports.ts';
import { hashTensors } from '../../tensors/hash.ts';
import { toTokens } from '../../tensors/text.ts';
import { runDecodeTask } from '../decode-task.ts';
import type { RequestBytes } from '../ports.ts';

const embedded = oip.embedded!;

const OUTPUT: NamedTensor = {
  name: 'output0',
  dtype: 'f32',
  shape: [3, 2],
  data: new Uint8Array(new Float32Array([1, 1.5, 2, 2.5, 3, 3.5]).buffer),
};

const INPUT0_BYTES = new Uint8Array(new Uint32Array([1, 2, 3, 4]).buffer);

describe('an inference request', () => {
  test('of the specification is read, and its answer written', () => {
    const request = json({ id: '42', inputs: [INPUT0, INPUT1], outputs: [{ name: 'output0' }] });
    const decoded = embedded.decode(request, SIGNATURE, CAPS);
    expect(decoded.inputs.map(({ data }) => toHex(data))).toEqual(['01000000020000000300000004000000', '010001']);
    expect(decoded.items).toBe(1);
    expect(JSON.parse(textOf(embedded.encode(decoded.form, MODEL, [OUTPUT])))).toEqual({
      model_name: 'mymodel',
      model_version: '1',
      id: '42',
      outputs: [{ name: 'output0', shape: [3, 2], datatype: 'FP32', data: [1, 1.5, 2, 2.5, 3, 3.5] }],
    });
  });

  test('of the binary extension is read without a copy, and answered in binary', () => {
    const request = binary(
      {
        model_name: 'mymodel',
        inputs: [
          { name: 'input0', shape: [2, 2], datatype: 'UINT32', parameters: { binary_data_size: 16 } },
          { name: 'input1', shape: [3], datatype: 'BOOL', parameters: { binary_data_size: 3 } },
        ],
        outputs: [{ name: 'output0', parameters: { binary_data: true } }],
      },
      INPUT0_BYTES,
      new Uint8Array([1, 0, 1]),
    );
    const decoded = embedded.decode(request, SIGNATURE, CAPS);
    expect(decoded.inputs.map(({ data }) => data.buffer === request.body.buffer)).toEqual([true, true]);
    expect(toHex(decoded.inputs[0].data)).toBe('01000000020000000300000004000000');
    const answer = embedded.encode(decoded.form, MODEL, [OUTPUT]);
    const headers = Object.fromEntries(answer.headers);
    const length = Number(headers['inference-header-content-length']);
    expect(headers['content-type']).toBe('application/octet-stream');
    const body = answer.body as Uint8Array;
    expect(JSON.parse(Buffer.from(body.subarray(0, length)).toString())).toMatchObject({
      outputs: [{ name: 'output0', parameters: { binary_data_size: 24 } }],
    });
    expect(toHex(body.subarray(length))).toBe(toHex(OUTPUT.data));
  });

  test('asks for all outputs in binary at once, and for one in JSON all the same', () => {
    const outputs = [{ name: 'output0', parameters: { binary_data: false } }];
    const request = json({ parameters: { binary_data_output: true }, inputs: [INPUT0, INPUT1], outputs });
    expect(embedded.decode(request, SIGNATURE, CAPS).form).toMatchObject({
      isBinary: true,
      outputs: [{ isBinary: false }],
    });
  });

  test('carries parameters of the answer, such as its integrity tag', () => {
    const form = embedded.decode(json({ inputs: [INPUT0, INPUT1] }), SIGNATURE, CAPS).form;
    const answer = embedded.encode(form, MODEL, [OUTPUT], { parameters: { integrity: 'tag' } });
    expect(JSON.parse(textOf(answer))).toMatchObject({ parameters: { integrity: 'tag' } });
  });

  const bad: readonly (readonly [string, RequestBytes, string])[] = [
    ['no JSON', json('{"inputs":'), 'GATEWAY_INPUT_MALFORMED'],
    ['more behind the JSON', json(`${JSON.stringify({ inputs: [INPUT0, INPUT1] })}x`), 'GATEWAY_INPUT_MALFORMED'],
    ['no inputs', json({}), 'GATEWAY_INPUT_MALFORMED'],
    ['inputs twice', json('{"inputs":[],"inputs":[]}'), 'GATEWAY_INPUT_MALFORMED'],
    ['inputs in capitals, too', json({ Inputs: [INPUT0], inputs: [INPUT0, INPUT1] }), 'GATEWAY_INPUT_MALFORMED'],
    ['a long s', json({ inputs: [{ ...INPUT0, ſhape: [9, 2] }, INPUT1] }), 'GATEWAY_INPUT_MALFORMED'],
    ['a shape twice', json('{"inputs":[{"name":"input0","shape":[2,2],"shape":[2,2]}]}'), 'GATEWAY_INPUT_MALFORMED'],
    ['a deep member', json(`{"x":${'['.repeat(40)}${']'.repeat(40)}}`), 'GATEWAY_INPUT_MALFORMED'],
    ['too many inputs', json({ inputs: Array.from({ length: 65 }, () => INPUT0) }), 'GATEWAY_INPUT_MALFORMED'],
    ['an id without end', json({ id: 'x'.repeat(200), inputs: [INPUT0, INPUT1] }), 'GATEWAY_INPUT_MALFORMED'],
    ['a missing input', json({ inputs: [INPUT0] }), 'GATEWAY_INPUT_NAME'],
    ['an unknown input', json({ inputs: [INPUT0, INPUT1, { ...INPUT0, name: 'x' }] }), 'GATEWAY_INPUT_NAME'],
    ['an input twice', json({ inputs: [INPUT0, INPUT0] }), 'GATEWAY_INPUT_NAME'],
    ['an unknown output', json({ inputs: [INPUT0, INPUT1], outputs: [{ name: 'x' }] }), 'GATEWAY_INPUT_NAME'],
    ['another type', json({ inputs: [{ ...INPUT0, datatype: 'INT32' }, INPUT1] }), 'GATEWAY_INPUT_DTYPE'],
    ['BYTES', json({ inputs: [{ ...INPUT0, datatype: 'BYTES' }, INPUT1] }), 'GATEWAY_INPUT_DTYPE'],
    [
      'a type of the prototype',
      json({ inputs: [{ ...INPUT0, datatype: 'constructor' }, INPUT1] }),
      'GATEWAY_INPUT_DTYPE',
    ],
    ['another shape', json({ inputs: [{ ...INPUT0, shape: [4] }, INPUT1] }), 'GATEWAY_INPUT_SHAPE'],
    ['a negative axis', json({ inputs: [{ ...INPUT0, shape: [-1, 2] }, INPUT1] }), 'GATEWAY_INPUT_MALFORMED'],
    ['a shape without end', json({ inputs: [{ ...INPUT0, shape: Array(9).fill(1) }, INPUT1] }), 'GATEWAY_INPUT_SHAPE'],
    // As the example of the specification has it.
    ['fewer values than the shape', json({ inputs: [INPUT0, { ...INPUT1, data: [true] }] }), 'GATEWAY_INPUT_SHAPE'],
    ['a value of another type', json({ inputs: [{ ...INPUT0, data: [1, 2, 3, -4] }, INPUT1] }), 'GATEWAY_INPUT_VALUE'],
    [
      'shared memory',
      json({ inputs: [{ ...INPUT0, parameters: { shared_memory_region: 'r' } }, INPUT1] }),
      'GATEWAY_INPUT_MALFORMED',
    ],
    [
      'classes',
      json({ inputs: [INPUT0, INPUT1], outputs: [{ name: 'output0', parameters: { classification: 3 } }] }),
      'GATEWAY_INPUT_MALFORMED',
    ],
    [
      'a form',
      { ...json({ inputs: [INPUT0, INPUT1] }), headers: { 'content-type': 'text/plain' } },
      'GATEWAY_CONTENT_TYPE',
    ],
    [
      'gzip',
      { ...json({ inputs: [INPUT0, INPUT1] }), headers: { 'content-encoding': 'gzip' } },
      'GATEWAY_CONTENT_TYPE',
    ],
    ['bytes of no input', binary({ inputs: [INPUT0, INPUT1] }, new Uint8Array(1)), 'GATEWAY_INPUT_MALFORMED'],
    [
      'data and bytes',
      binary({ inputs: [{ ...INPUT0, parameters: { binary_data_size: 16 } }, INPUT1] }, INPUT0_BYTES),
      'GATEWAY_INPUT_MALFORMED',
    ],
    [
      'a JSON beyond the body',
      { ...json('{}'), headers: { 'inference-header-content-length': '3' } },
      'GATEWAY_INPUT_MALFORMED',
    ],
    [
      'a length that is none',
      { ...json('{}'), headers: { 'inference-header-content-length': '0x2' } },
      'GATEWAY_INPUT_MALFORMED',
    ],
  ];

  test.each(bad)('with %s is refused, here and by another thread', (_, request, expected) => {
    expect(codeOf(() => embedded.decode(request, SIGNATURE, CAPS))).toBe(expected);
    const task = { protocol: 'oip', parameters: [], request, signature: SIGNATURE, caps: CAPS } as const;
    expect(structuredClone(runDecodeTask(structuredClone(task)))).toMatchObject({ isDecoded: false, code: expected });
  });

  test('of another thread is the same', () => {
    const request = json({ inputs: [INPUT0, INPUT1] });
    const task = { protocol: 'oip', parameters: [], request, signature: SIGNATURE, caps: CAPS } as const;
    const outcome = structuredClone(runDecodeTask(structuredClone(task)));
    expect(outcome).toEqual({ isDecoded: true, request: embedded.decode(request, SIGNATURE, CAPS) });
  });

  test('has a batch on the first free axis, capped and shared by the inputs', () => {
    const free: ModelSignature = {
      inputs: [
        { name: 'a', dtype: 'i8', shape: [null, 1] },
        { name: 'b', dtype: 'i8', shape: [null] },
      ],
      outputs: [],
    };
    const rows = (a: number, b: number): RequestBytes =>
      json({
        inputs: [
          { name: 'b', shape: [b], datatype: 'INT8', data: Array(b).fill(1) },
          { name: 'a', shape: [a, 1], datatype: 'INT8', data: Array(a).fill(2) },
        ],
      });
    expect(embedded.decode(rows(8, 8), free, CAPS).items).toBe(8);
    expect(codeOf(() => embedded.decode(rows(9, 9), free, CAPS))).toBe('GATEWAY_BATCH_TOO_LARGE');
    expect(codeOf(() => embedded.decode(rows(2, 3), free, CAPS))).toBe('GATEWAY_INPUT_SHAPE');
    expect(codeOf(() => embedded.decode(rows(0, 0), free, CAPS))).toBe('GATEWAY_INPUT_SHAPE');
  });

  test('in JSON, nested, with the values first, and in binary has one tensor hash', () => {
    const numbers = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 6, maxLength: 6 });
    const signature: ModelSignature = { inputs: [{ name: 'x', dtype: 'f32', shape: [null, 3] }], outputs: [] };
    fc.assert(
      fc.property(numbers, (values) => {
        const data = new Uint8Array(new Float32Array(values).buffer);
        const tokens = toTokens({ name: 'x', dtype: 'f32', shape: [2, 3], data });
        const head = '"name":"x","shape":[2,3],"datatype":"FP32"';
        const flat = `"data":[${tokens.join(',')}]`;
        const nested = `"data":[[${tokens.slice(0, 3).join(',')}],[${tokens.slice(3).join(',')}]]`;
        const forms = [
          json(`{"inputs":[{${head},${flat}}]}`),
          json(`{"inputs":[{${flat},${head}}]}`),
          json(`{"inputs":[{${head},${nested}}]}`),
          // What most programs write loses the sign of zeros.
          json({ inputs: [{ name: 'x', shape: [2, 3], datatype: 'FP32', data: values }] }),
          binary(
            { inputs: [{ name: 'x', shape: [2, 3], datatype: 'FP32', parameters: { binary_data_size: 24 } }] },
            data,
          ),
        ];
        const hashes = forms.map((form) => {
          const decoded = embedded.decode(form, signature, CAPS);
          return toHex(hashTensors(decoded.inputs, decoded));
        });
        expect(new Set(hashes).size).toBe(1);
      }),
      { numRuns: 200 },
    );
  });

  test('that was mutated is read or refused with a code of the gateway, thousands of times', () => {
    const whole = binary(
      {
        id: 'a',
        inputs: [{ ...INPUT0 }, { name: 'input1', shape: [3], datatype: 'BOOL', parameters: { binary_data_size: 3 } }],
      },
      new Uint8Array([1, 0, 1]),
    );
    const codes = new Set<string>();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.body.length - 1), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 3,
        }),
        fc.nat(3),
        (changes, cut) => {
          const body = Uint8Array.from(whole.body.subarray(0, whole.body.length - cut));
          for (const [at, byte] of changes) if (at < body.length) body[at] = byte;
          codes.add(codeOf(() => embedded.decode({ ...whole, body }, SIGNATURE, CAPS)));
          codes.add(
            codeOf(() =>
              oip.proxy.toUpstream(
                INFER,
                { ...whole, body },
                { name: 'm', version: null, signature: null },
                OPEN,
                CAPS,
              ),
            ),
          );
        },
      ),
      { numRuns: 4000 },
    );
    expect([...codes].filter((code) => code !== 'no error' && !code.startsWith('GATEWAY_'))).toEqual([]);
    expect(codes.size).toBeGreaterThan(5);
  });
});
