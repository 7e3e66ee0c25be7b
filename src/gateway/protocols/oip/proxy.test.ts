/** Requests of the Open Inference Protocol that go on to a server, and its answers. */
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
import type { ModelSignature, OutputPolicy } from '../../ports.ts';
import type { RequestBytes } from '../ports.ts';

describe('a request that goes on', () => {
  const plan = (request: RequestBytes, policy = OPEN, signature: ModelSignature | null = null): unknown =>
    oip.proxy.toUpstream(INFER, request, { name: 'up/stream', version: '7', signature }, policy, CAPS);

  test('has a path of the table, a closed list of headers, and the body as it was', () => {
    const request = binary(
      { inputs: [{ name: 'x', shape: [5, 4], datatype: 'INT8', parameters: { binary_data_size: 20 } }] },
      new Uint8Array(20),
    );
    const headers = { ...request.headers, authorization: 'Bearer secret', 'x-forwarded-for': '1.2.3.4', cookie: 'a=b' };
    expect(plan({ ...request, headers })).toEqual({
      request: {
        method: 'POST',
        path: '/v2/models/up%2Fstream/versions/7/infer',
        headers: [
          ['content-type', 'application/octet-stream'],
          ['inference-header-content-length', request.headers['inference-header-content-length']],
        ],
        body: request.body,
        isStreamed: false,
      },
      items: 5,
    });
  });

  test.each([
    ['hidden outputs', json({ inputs: [INPUT0], outputs: [{ name: 'logits' }] }), 'GATEWAY_OUTPUT_NOT_ALLOWED'],
    [
      'shared memory',
      json({ inputs: [INPUT0], outputs: [{ name: 'y', parameters: { shared_memory_region: 'r' } }] }),
      'GATEWAY_INPUT_MALFORMED',
    ],
    ['a parameter of the server', json({ parameters: { priority: 1 }, inputs: [INPUT0] }), 'GATEWAY_INPUT_MALFORMED'],
    [
      'too many rows',
      json({ inputs: [{ name: 'x', shape: [9, 2], datatype: 'BYTES', data: ['a'] }] }),
      'GATEWAY_BATCH_TOO_LARGE',
    ],
    ['bytes of no input', binary({ inputs: [INPUT0] }, new Uint8Array(4)), 'GATEWAY_INPUT_MALFORMED'],
  ])('does not with %s', (_, request, expected) => {
    expect(codeOf(() => plan(request, { ...OPEN, hidden: ['logits'] }))).toBe(expected);
  });

  test.each([
    ['rows', { ...INPUT0, shape: [3, 1], data: [1, 2, 3] }, 3],
    ['texts', { name: 't', datatype: 'BYTES', shape: [3], data: ['a', 'b', 'c'] }, 3],
    ['a row of numbers', { ...INPUT0, shape: [3], data: [1, 2, 3] }, 1],
  ])('costs as much as it has %s where nothing is declared', (_, input, items) => {
    expect(plan(json({ inputs: [input] }), OPEN)).toMatchObject({ items });
  });

  test('is held against a declared signature', () => {
    expect(codeOf(() => plan(json({ inputs: [INPUT0, INPUT1] }), OPEN, SIGNATURE))).toBe('no error');
    expect(codeOf(() => plan(json({ inputs: [{ ...INPUT0, shape: [4, 1] }, INPUT1] }), OPEN, SIGNATURE))).toBe(
      'GATEWAY_INPUT_SHAPE',
    );
  });
});

describe('an answer that comes back', () => {
  const plan = oip.proxy.toUpstream(
    INFER,
    json({ inputs: [INPUT0] }),
    { name: 'm', version: null, signature: null },
    OPEN,
    CAPS,
  );
  const rules = { call: INFER, model: MODEL, signature: SIGNATURE, policy: OPEN, items: 1, answerBytesMax: 1 << 20 };
  const answer = (value: unknown, status = 200): Parameters<typeof oip.proxy.toAnswer>[1] => ({
    status,
    headers: [
      ['content-type', 'application/json'],
      ['server', 'secret'],
      ['x-path', '/models'],
    ],
    body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  });
  const good = {
    model_name: 'mymodel',
    model_version: '1',
    outputs: [{ name: 'output0', shape: [3, 2], datatype: 'FP32', data: [1, 1.55, 2, 2.5, 3, 3.5] }],
  };

  test('is the same bytes when nothing demands otherwise, without its other headers', () => {
    const came = answer(good);
    const given = oip.proxy.toAnswer(plan, came, rules);
    expect(given.body).toBe(came.body);
    expect(given.headers).toEqual([['content-type', 'application/json']]);
  });

  test('has the version of the server when none was asked for', () => {
    const unversioned = { ...rules, model: { name: 'mymodel', version: '' } };
    const came = answer(good);
    expect(oip.proxy.toAnswer(plan, came, unversioned).body).toBe(came.body);
    const restricted = oip.proxy.toAnswer(plan, came, { ...unversioned, policy: { ...OPEN, decimals: 1 } });
    expect(JSON.parse(textOf(restricted))).toMatchObject({ model_name: 'mymodel', model_version: '1' });
    const without = { model_name: good.model_name, outputs: good.outputs };
    expect(JSON.parse(textOf(oip.proxy.toAnswer(plan, answer({ ...without, x: 1 }), unversioned)))).toEqual(without);
  });

  test('has our name for the model, and no members of the server', () => {
    const given = oip.proxy.toAnswer(
      plan,
      answer({ ...good, model_name: '/models/a.onnx', id: 'i', parameters: { path: '/x' } }),
      rules,
    );
    expect(JSON.parse(textOf(given))).toEqual({ ...good, id: 'i' });
  });

  test('is rounded, cut to labels or without hidden outputs as the policy says', () => {
    const say = (policy: Partial<OutputPolicy>): unknown =>
      (
        JSON.parse(textOf(oip.proxy.toAnswer(plan, answer(good), { ...rules, policy: { ...OPEN, ...policy } }))) as {
          outputs: unknown;
        }
      ).outputs;
    expect(say({ decimals: 1 })).toMatchObject([{ data: [1, 1.5, 2, 2.5, 3, 3.5] }]);
    expect(say({ isLabelOnly: true })).toEqual([{ name: 'output0', shape: [3], datatype: 'INT64', data: [1, 1, 1] }]);
    expect(say({ topK: 1 })).toMatchObject([{ data: [0, Math.fround(1.55), 0, 2.5, 0, 3.5] }]);
    expect(say({ hidden: ['output0'] })).toEqual([]);
  });

  test.each([
    ['an error of the server', answer({ error: '/models/x is gone' }, 400), 'GATEWAY_UPSTREAM_REFUSED'],
    ['another shape', answer({ outputs: [{ ...good.outputs[0], shape: [6, 1] }] }), 'GATEWAY_ANSWER_SHAPE'],
    ['another type', answer({ outputs: [{ ...good.outputs[0], datatype: 'INT32' }] }), 'GATEWAY_ANSWER_SHAPE'],
    [
      'an output that was not declared',
      answer({ outputs: [{ ...good.outputs[0], name: 'weights' }] }),
      'GATEWAY_ANSWER_SHAPE',
    ],
    ['no outputs', answer({}), 'GATEWAY_UPSTREAM_MALFORMED'],
    ['no JSON', answer('<html>'), 'GATEWAY_UPSTREAM_MALFORMED'],
    ['outputs twice', answer('{"outputs":[],"outputs":[]}'), 'GATEWAY_UPSTREAM_MALFORMED'],
    [
      'bytes that are not there',
      answer({ outputs: [{ name: 'output0', shape: [3, 2], datatype: 'FP32', parameters: { binary_data_size: 24 } }] }),
      'GATEWAY_UPSTREAM_MALFORMED',
    ],
  ])('with %s is not handed on', (_, came, expected) => {
    expect(codeOf(() => oip.proxy.toAnswer(plan, came, rules))).toBe(expected);
  });
});
