/** Requests to text models: which go on, what policies refuse, and what comes back. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../../test/error-code.ts';
import type { Call, GatewayAnswer, OutputPolicy } from '../../ports.ts';
import type { AnswerRules, RequestBytes, UpstreamPlan } from '../ports.ts';
import { createOpenAi } from './openai.ts';

const openai = createOpenAi({ members: ['guided_json'] });
const OPEN: OutputPolicy = { topK: null, decimals: null, isLabelOnly: false, hidden: [] };
const CHAT = { model: 'llama', messages: [{ role: 'user', content: 'hi "there" \\ {' }] };

const json = (value: unknown): RequestBytes => ({
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
});
const find = (value: unknown, route = 'chat/completions'): Call | 'method' | null =>
  openai.findCall({ method: 'POST', path: `/v1/${route}`, ...json(value) });
const plan = (
  value: unknown,
  policy: Partial<OutputPolicy> = {},
  route = 'chat/completions',
  name = 'llama',
): UpstreamPlan =>
  openai.proxy.toUpstream(
    { protocol: 'openai', kind: 'infer', model: 'llama', version: null, route },
    json(value),
    { name, version: null, signature: null },
    { ...OPEN, ...policy },
    { batchMax: 8 },
  );
const textOf = (answer: GatewayAnswer): string => Buffer.from(answer.body as Uint8Array).toString();

describe('pictures in messages', () => {
  const show = (content: unknown): unknown => ({ model: 'llama', messages: [{ role: 'user', content }] });
  const picture = (url: string): unknown => show([{ type: 'image_url', image_url: { url } }]);

  test.each([
    ['as data', picture('data:image/png;base64,iVBORw0KGgo=')],
    ['none, where the text speaks of one', show('what is at image_url, "url": "http://a"? \u00fc')],
    ['none', show([{ type: 'text', text: 'http://169.254.169.254/' }])],
  ])('that are there %s go on', (_name, value) => {
    expect(plan(value).request.body.length).toBeGreaterThan(0);
  });

  test.each([
    ['the address of a metadata service', picture('http://169.254.169.254/latest/meta-data/')],
    ['a file of the server', picture('file:///etc/passwd')],
    ['an address without an object around it', show([{ type: 'image_url', image_url: 'http://10.0.0.1/' }])],
    ['a film', show([{ type: 'video_url', video_url: { url: 'https://a.example/x.mp4' } }])],
    [
      'an address in a tool’s answer',
      { model: 'llama', messages: [{ role: 'tool', content: [{ audio_url: 'ftp://a' }] }] },
    ],
    [
      'a name in other letters',
      '{"model":"llama","messages":[{"role":"user","content":[{"image\\u005f\\u0075rl":{"\\u0075rl":"http://10.0.0.1/"}}]}]}',
    ],
    ['a name in letters of other sizes', show([{ image_uRL: { urL: 'http://10.0.0.1/' } }])],
  ])('are refused by %s', (_name, value) => {
    expect(codeOf(() => plan(value))).toBe('GATEWAY_INPUT_MALFORMED');
  });

  test('may be named where the configuration says so', () => {
    const open = createOpenAi({ hasRemoteMedia: true });
    const call: Call = { protocol: 'openai', kind: 'infer', model: 'llama', version: null, route: 'chat/completions' };
    const asked = json(picture('https://a.example/x.png'));
    const model = { name: 'llama', version: null, signature: null };
    expect(open.proxy.toUpstream(call, asked, model, OPEN, { batchMax: 8 }).items).toBe(1);
  });
});

describe('the model', () => {
  test('is named by the body, wherever it stands in it', () => {
    expect(find({ messages: [{ model: 'other' }], model: 'org/llama-3' })).toMatchObject({
      kind: 'infer',
      model: 'org/llama-3',
      route: 'chat/completions',
    });
    expect(find('{"mod\\u0065l":"llama"}')).toMatchObject({ model: 'llama' });
  });

  test.each([
    ['is not there', '{"messages":[]}'],
    ['is there twice', '{"model":"allowed","model":"other"}'],
    ['is there twice, once with an escape', '{"model":"allowed","mod\\u0065l":"other"}'],
    ['is there in capitals, too', '{"model":"allowed","Model":"other"}'],
    ['is there with another s, too', '{"model":"allowed","\u017ftream":true}'],
    ['is no text', '{"model":["allowed"]}'],
    ['is a way to a file', '{"model":"../../etc/passwd"}'],
    ['is in no JSON', '{"model":"allowed",}'],
    ['stands before a second object', '{"model":"allowed"}{"model":"other"}'],
    ['stands beside depth', `{"model":"allowed","x":${'['.repeat(100)}${']'.repeat(100)}}`],
  ])('is refused when it %s', (_, body) => {
    expect(codeOf(() => find(body))).toBe('GATEWAY_INPUT_MALFORMED');
  });

  test('has the name that the server knows when it goes on', () => {
    const { request } = plan({ ...CHAT, stream: false }, {}, 'chat/completions', 'meta/llama');
    expect(JSON.parse(Buffer.from(request.body).toString())).toEqual({ ...CHAT, stream: false, model: 'meta/llama' });
    const same = json(CHAT);
    const kept = openai.proxy.toUpstream(
      find(CHAT) as Call,
      same,
      { name: 'llama', version: null, signature: null },
      OPEN,
      { batchMax: 1 },
    );
    expect(kept.request.body).toBe(same.body);
  });
});

describe('a request', () => {
  test('goes on by the path of its route, with one header, and says whether it streams', () => {
    expect(plan({ ...CHAT, stream: true }).request).toMatchObject({
      method: 'POST',
      path: '/v1/chat/completions',
      headers: [['content-type', 'application/json']],
      isStreamed: true,
    });
    expect(plan(CHAT).request.isStreamed).toBe(false);
    expect(plan({ ...CHAT, guided_json: {} }).items).toBe(1);
  });

  test.each([
    ['a prompt', { prompt: 'a' }, 1],
    ['three prompts', { prompt: ['a', 'b', 'c'] }, 3],
    ['tokens of one prompt', { prompt: [1, 2, 3, 4, 5, 6, 7, 8, 9] }, 1],
    ['tokens of two prompts', { prompt: [[1, 2], [3]] }, 2],
    ['tokens beside prompts', { prompt: ['a', [1, 2], ['b'], 3, 4] }, 4],
    ['choices', { prompt: ['a', 'b'], n: 2, best_of: 4 }, 8],
  ])('costs its answers: %s', (_, members, items) => {
    expect(plan({ model: 'llama', ...members }, {}, 'completions').items).toBe(items);
  });

  test.each([
    ['a member of the server', { ...CHAT, lora: [{ id: 0 }] }, {}, 'GATEWAY_INPUT_MALFORMED'],
    ['prompt scores', { ...CHAT, prompt_logprobs: 5 }, {}, 'GATEWAY_INPUT_MALFORMED'],
    ['code', { ...CHAT, logits_processors: ['os.system'] }, {}, 'GATEWAY_INPUT_MALFORMED'],
    ['a stream that is neither', { ...CHAT, stream: 1 }, {}, 'GATEWAY_INPUT_MALFORMED'],
    ['half a choice', { ...CHAT, n: 1.5 }, {}, 'GATEWAY_INPUT_MALFORMED'],
    ['too many choices', { ...CHAT, n: 9 }, {}, 'GATEWAY_BATCH_TOO_LARGE'],
    ['scores under labels', { ...CHAT, logprobs: true }, { isLabelOnly: true }, 'GATEWAY_OUTPUT_NOT_ALLOWED'],
    ['scores under decimals', { ...CHAT, logprobs: true }, { decimals: 2 }, 'GATEWAY_OUTPUT_NOT_ALLOWED'],
    ['hidden scores', { ...CHAT, logprobs: true }, { hidden: ['logprobs'] }, 'GATEWAY_OUTPUT_NOT_ALLOWED'],
    ['more scores than k', { ...CHAT, logprobs: true, top_logprobs: 6 }, { topK: 5 }, 'GATEWAY_OUTPUT_NOT_ALLOWED'],
    ['a bias under k', { ...CHAT, logit_bias: { 5: 100 } }, { topK: 5 }, 'GATEWAY_OUTPUT_NOT_ALLOWED'],
    ['choices under labels', { ...CHAT, n: 2 }, { isLabelOnly: true }, 'GATEWAY_OUTPUT_NOT_ALLOWED'],
  ])('with %s is refused', (_, value, policy, expected) => {
    expect(codeOf(() => plan(value, policy))).toBe(expected);
  });

  test.each([
    ['scores where nothing restricts', { ...CHAT, logprobs: true, top_logprobs: 20 }, {}],
    ['k scores', { ...CHAT, logprobs: true, top_logprobs: 5 }, { topK: 5 }],
    ['members that ask for nothing', { ...CHAT, logprobs: false, logit_bias: null, n: 1 }, { isLabelOnly: true }],
  ])('with %s goes on', (_, value, policy) => {
    expect(codeOf(() => plan(value, policy))).toBe('no error');
  });

  test('for embeddings is refused where they tell too much', () => {
    const value = { model: 'llama', input: ['a', 'b'] };
    expect(plan(value, {}, 'embeddings').items).toBe(2);
    expect(codeOf(() => plan(value, { isLabelOnly: true }, 'embeddings'))).toBe('GATEWAY_OUTPUT_NOT_ALLOWED');
    expect(codeOf(() => plan(value, { hidden: ['embedding'] }, 'embeddings'))).toBe('GATEWAY_OUTPUT_NOT_ALLOWED');
    expect(codeOf(() => plan({ ...value, encoding_format: 'base64' }, { decimals: 2 }, 'embeddings'))).toBe(
      'GATEWAY_OUTPUT_NOT_ALLOWED',
    );
  });

  test('that was mutated is read or refused with a code of the gateway, thousands of times', () => {
    const whole = Buffer.from(JSON.stringify({ ...CHAT, stream: true, n: 2, logprobs: true, stop: ['\u00e9', '\\'] }));
    const codes = new Set<string>();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        (changes) => {
          const body = Uint8Array.from(whole);
          for (const [at, byte] of changes) body[at] = byte;
          const text = Buffer.from(body).toString('latin1');
          codes.add(codeOf(() => find(text)));
          codes.add(codeOf(() => plan(text, { topK: 3 })));
        },
      ),
      { numRuns: 3000 },
    );
    expect([...codes].filter((code) => code !== 'no error' && !code.startsWith('GATEWAY_'))).toEqual([]);
  });
});

describe('an answer', () => {
  const call: Call = { protocol: 'openai', kind: 'infer', model: 'llama', version: null, route: 'chat/completions' };
  const rules: AnswerRules = {
    call,
    model: { name: 'llama', version: '1' },
    signature: null,
    policy: OPEN,
    items: 1,
    answerBytesMax: 1 << 20,
  };
  const come = (
    value: unknown,
    type = 'application/json',
    status = 200,
  ): Parameters<typeof openai.proxy.toAnswer>[1] => ({
    status,
    headers: [
      ['content-type', type],
      ['server', 'uvicorn'],
    ],
    body: Buffer.from(JSON.stringify(value)),
  });
  const good = {
    id: 'c1',
    object: 'chat.completion',
    created: 1,
    choices: [{ index: 0, message: { content: 'x' } }],
    usage: { total_tokens: 3 },
  };

  test('has our name for the model, and none of the server’s own members', () => {
    const answer = openai.proxy.toAnswer(
      plan(CHAT),
      come({ ...good, model: '/models/llama.gguf', timings: {}, __verbose: { path: '/' } }),
      rules,
    );
    expect(JSON.parse(textOf(answer))).toEqual({ ...good, model: 'llama' });
    expect(answer.headers).toEqual([['content-type', 'application/json']]);
  });

  const token = (word: string, logprob: number, more = {}) => ({ token: word, logprob, bytes: [1], ...more });
  const scored = {
    index: 0,
    finish_reason: 'stop',
    message: { role: 'assistant', content: 'x', logprobs: [-1] },
    logprobs: { content: [token('a', -1, { top_logprobs: [token('c', -9), token('a', -1), token('b', -2)] })] },
    prompt_logprobs: [null, { 1: -3 }],
    token_ids: [1],
  };
  const unscored = { index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' };
  const answered = (choice: object, policy: object): unknown => {
    const all = { ...rules, policy: { ...OPEN, ...policy } };
    const answer = openai.proxy.toAnswer(plan(CHAT), come({ ...good, choices: [choice] }), all);
    return (JSON.parse(textOf(answer)) as { choices: unknown[] }).choices[0];
  };

  test.each([
    { isLabelOnly: true },
    { decimals: 2 },
    { hidden: ['logprobs'] },
  ])('under %j has none of the scores that a server adds unasked', (policy) => {
    expect(answered(scored, policy)).toEqual(unscored);
    expect(codeOf(() => answered([], policy))).toBe('GATEWAY_UPSTREAM_MALFORMED');
  });

  test('under top k has the scores of the k likeliest tokens, in either form', () => {
    expect(answered(scored, {})).toEqual(scored);
    expect(answered(scored, { topK: 2 })).toEqual({
      ...unscored,
      logprobs: { content: [token('a', -1, { top_logprobs: [token('a', -1), token('b', -2)] })] },
    });
    const lists = { tokens: ['a'], token_logprobs: [-1], text_offset: [0] };
    const logprobs = { ...lists, top_logprobs: [{ c: -9, a: -1, b: -2 }, null], scores: [1] };
    expect(answered({ index: 0, text: 'a', logprobs }, { topK: 2 })).toEqual({
      ...{ index: 0, text: 'a' },
      logprobs: { ...lists, top_logprobs: [{ a: -1, b: -2 }, null] },
    });
  });

  test('of embeddings is rounded', () => {
    const data = [{ object: 'embedding', index: 0, embedding: [0.12345, -0.5], path: '/x' }];
    const answer = openai.proxy.toAnswer(plan(CHAT), come({ object: 'list', data, model: 'x' }), {
      ...rules,
      call: { ...call, route: 'embeddings' },
      policy: { ...OPEN, decimals: 2 },
    });
    expect(JSON.parse(textOf(answer))).toEqual({
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [0.12, -0.5] }],
      model: 'llama',
    });
  });

  test('of another status or type is not handed on', () => {
    expect(codeOf(() => openai.proxy.toAnswerHeaders(plan(CHAT), come({}, 'application/json', 400)))).toBe(
      'GATEWAY_UPSTREAM_REFUSED',
    );
    expect(codeOf(() => openai.proxy.toAnswerHeaders(plan(CHAT), come({}, 'text/html')))).toBe(
      'GATEWAY_UPSTREAM_MALFORMED',
    );
    expect(codeOf(() => openai.proxy.toAnswerHeaders(plan({ ...CHAT, stream: true }), come({})))).toBe(
      'GATEWAY_UPSTREAM_MALFORMED',
    );
    expect(
      openai.proxy.toAnswerHeaders(plan({ ...CHAT, stream: true }), come({}, 'text/event-stream; charset=utf-8')),
    ).toContainEqual(['cache-control', 'no-store']);
  });

  const STREAM =
    ': ping\r\n\r\n' +
    'data: {"id":"1","model":"/models/a.gguf","choices":[{"delta":{"content":"é\\n"}}],"timings":{"x":1}}\r\n\r\n' +
    'event: x\ndata: {"choices":[],"model":"b"}\n\ndata: [DONE]\n\n';
  const EVENTS =
    'data: {"id":"1","model":"llama","choices":[{"delta":{"content":"é\\n"}}]}\n\n' +
    'data: {"choices":[],"model":"llama"}\n\ndata: [DONE]\n\n';

  const readAll = async (text: string, step: number, policy = {}): Promise<string> => {
    const bytes = Buffer.from(text);
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += step) yield await Promise.resolve(bytes.subarray(at, at + step));
    }
    const out: Uint8Array[] = [];
    for await (const event of openai.proxy.toEvents!(chunks(), { ...rules, policy: { ...OPEN, ...policy } }))
      out.push(event);
    return Buffer.concat(out).toString();
  };

  test.each([1, 2, 7, 64, 10_000])('in events that come %d bytes at a time has our name in each', async (step) => {
    expect(await readAll(STREAM, step)).toBe(EVENTS);
  });

  test('in events has none of the scores that the policy keeps back', async () => {
    const text = 'data: {"choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[]}}]}\n\n';
    expect(await readAll(text, 9)).toBe(text);
    expect(await readAll(text, 9, { isLabelOnly: true })).toBe(
      'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
    );
  });

  test('in events ends with our error where the server tells one', async () => {
    const text = await readAll(
      'data: {"choices":[]}\n\ndata: {"error":{"message":"/models/a.gguf"}}\n\ndata: {"choices":[]}\n\n',
      9,
    );
    expect(text).toContain('GATEWAY_UPSTREAM_REFUSED');
    expect(text).not.toContain('/models');
    expect(text.match(/choices/g)).toHaveLength(1);
  });

  test.each([
    ['breaks off', 'data: {"choices":['],
    ['is no JSON', 'data: {"choices":[}\n\n'],
    ['has no end', `data: ${'x'.repeat(1024 * 1024 + 10)}`],
  ])('in events that %s is cut off', async (_, text) => {
    await expect(readAll(text, 65536)).rejects.toMatchObject({ code: 'GATEWAY_UPSTREAM_MALFORMED' });
  });
});

describe('a server whose answers are bounded', () => {
  const bounded = createOpenAi({ maxTokens: 100, hasStreams: false });
  const go = (value: unknown, route = 'chat/completions'): UpstreamPlan =>
    bounded.proxy.toUpstream(
      { protocol: 'openai', kind: 'infer', model: 'llama', version: null, route },
      json(value),
      { name: 'llama', version: null, signature: null },
      OPEN,
      { batchMax: 8 },
    );
  const sent = (value: unknown): unknown => JSON.parse(Buffer.from(go(value).request.body).toString());

  test('is told the cap where the caller says none, or null, and what he says where that is less', () => {
    expect(sent(CHAT)).toEqual({ ...CHAT, max_tokens: 100 });
    expect(sent({ max_tokens: null, ...CHAT })).toEqual({ max_tokens: 100, ...CHAT });
    expect(sent({ ...CHAT, max_completion_tokens: 100 })).toEqual({ ...CHAT, max_completion_tokens: 100 });
    expect(Buffer.from(go({ model: 'llama', input: 'a' }, 'embeddings').request.body).toString()).not.toContain('max');
  });

  test.each([
    ['max_tokens', { max_tokens: 101 }, 'GATEWAY_OUTPUT_NOT_ALLOWED'],
    ['max_completion_tokens', { max_tokens: 1, max_completion_tokens: 101 }, 'GATEWAY_OUTPUT_NOT_ALLOWED'],
    ['no whole number', { max_tokens: 1.5 }, 'GATEWAY_INPUT_MALFORMED'],
    ['a text', { max_tokens: '5' }, 'GATEWAY_INPUT_MALFORMED'],
    ['a stream', { stream: true, max_tokens: 1 }, 'GATEWAY_OUTPUT_NOT_ALLOWED'],
  ])('is not asked for more: %s', (_name, change, code) => {
    expect(codeOf(() => go({ ...CHAT, ...change }))).toBe(code);
  });
});
