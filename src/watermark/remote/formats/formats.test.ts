/** Requests as each service wants them, and replies of honest and of hostile servers. */
import { describe, expect, test } from 'vitest';
import type { Question } from '../questions.ts';
import { createTemplateFormat, type FormatContext, FORMATS, parseReply } from './index.ts';

const f32 = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const ask = (...values: number[]): Question => ({
  kind: 'tensors',
  inputs: [{ name: 'x', dtype: 'f32', shape: [2, 1], data: f32(...values) }],
});
const say = (prompt: string): Question => ({ kind: 'text', prompt });
const context: FormatContext = {
  ...{ hasBatchAxis: true, classes: 3, output: 'logits', model: null },
  labels: new Map([
    ['cat', 0],
    ['dog', 1],
    ['cow', 2],
  ]),
};

describe('what is sent', () => {
  test('plain, KServe v1, TorchServe: nested lists', () => {
    const two = [ask(1, 2), ask(3, 4)];
    expect(FORMATS.plain.write(two, context)).toEqual({
      inputs: [
        [[1], [2]],
        [[3], [4]],
      ],
    });
    expect(FORMATS['kserve-v1'].write(two, context)).toEqual({
      instances: [
        [[1], [2]],
        [[3], [4]],
      ],
    });
    expect(FORMATS.torchserve.write([ask(1, 2)], context)).toEqual({ data: [[1], [2]] });
  });

  test('several inputs travel by name', () => {
    const [one] = [ask(1, 2)];
    if (one.kind !== 'tensors') throw new TypeError('tensors');
    const mask = { name: 'mask', dtype: 'i64', shape: [1], data: new Uint8Array(BigInt64Array.of(1n).buffer) } as const;
    const both: Question = { kind: 'tensors', inputs: [...one.inputs, mask] };
    expect(FORMATS.plain.write([both], context)).toEqual({ inputs: [{ x: [[1], [2]], mask: [1] }] });
  });

  test('Open Inference Protocol: flat, with shape and type, the batch in front', () => {
    expect(FORMATS.oip.write([ask(1, 2), ask(3, 4)], context)).toEqual({
      inputs: [{ name: 'x', shape: [2, 2, 1], datatype: 'FP32', data: [1, 2, 3, 4] }],
    });
    expect(FORMATS.oip.write([ask(1, 2)], { ...context, hasBatchAxis: false })).toMatchObject({
      inputs: [{ shape: [2, 1] }],
    });
  });

  test('OpenAI style: temperature 0, few tokens, the model by name where one is given', () => {
    const named = { ...context, model: 'ours' };
    expect(FORMATS['openai-chat'].write([say('oak moss')], named)).toMatchObject({
      ...{ model: 'ours', temperature: 0, max_tokens: 8 },
      messages: [{ role: 'user', content: 'oak moss' }],
    });
    expect(FORMATS['openai-completions'].write([say('a'), say('b')], context)).not.toHaveProperty('model');
    expect(FORMATS['openai-completions'].write([say('a'), say('b')], context)).toMatchObject({ prompt: ['a', 'b'] });
  });
});

describe('answers', () => {
  test.each<[string, unknown, (number | null)[]]>([
    [
      'scores',
      {
        outputs: [
          [0, 2, 1],
          [5, 1, 1],
        ],
      },
      [1, 0],
    ],
    ['class numbers', { predictions: [2, 0] }, [2, 0]],
    ['class names', { labels: ['dog', 'cow'] }, [1, 2]],
    ['a bare list', [[0, 0, 1], 1], [2, 1]],
    ['scores by name', { outputs: [{ cat: 0.1, dog: 0.7 }, { cow: 1 }] }, [1, 2]],
    ['objects with scores', { outputs: [{ scores: [1, 0, 0] }, { label: 'cow' }] }, [0, 2]],
    ['a list of one more list', { outputs: [[[0, 1, 0]], [[0, 0, 1]]] }, [1, 2]],
  ])('plain: %s', (_name, reply, answers) => {
    expect(FORMATS.plain.read(reply, 2, context)).toEqual(answers);
  });

  test('Open Inference Protocol: the output by its name, flat or nested', () => {
    const other = { name: 'other', data: [0, 0] };
    const reply = (data: unknown) => ({ outputs: [other, { name: 'logits', data }] });
    expect(FORMATS.oip.read(reply([0, 1, 0, 0, 0, 9]), 2, context)).toEqual([1, 2]);
    expect(
      FORMATS.oip.read(
        reply([
          [0, 1, 0],
          [0, 0, 9],
        ]),
        2,
        context,
      ),
    ).toEqual([1, 2]);
    expect(FORMATS.oip.read({ outputs: [{ name: 'label', data: [2, 1] }] }, 2, context)).toEqual([2, 1]);
  });

  test('OpenAI style: the first word, whatever stands around it; completions by their index', () => {
    const chat = (content: unknown) => ({ choices: [{ message: { content } }] });
    expect(FORMATS['openai-chat'].read(chat('  **Oak**, of course'), 1, context)).toEqual(['oak']);
    expect(FORMATS['openai-chat'].read(chat('…'), 1, context)).toEqual([null]);
    const reply = {
      choices: [
        { index: 1, text: ' Moss.' },
        { index: 0, text: 'Été' },
        { index: 7, text: 'x' },
      ],
    };
    expect(FORMATS['openai-completions'].read(reply, 2, context)).toEqual(['été', 'moss']);
  });

  test('TorchServe: scores by class name', () => {
    expect(FORMATS.torchserve.read({ dog: 0.9, cow: 0.1 }, 1, context)).toEqual([1]);
  });
});

describe('hostile replies are no answers, and never an exception', () => {
  const HOSTILE: readonly unknown[] = [
    ...[null, undefined, 7, 'x', [], {}, [[]], { outputs: null }, { outputs: 'abc' }, { outputs: {} }],
    ...[
      { outputs: [[0, 1, 2]] },
      {
        outputs: [
          [0, 1],
          [0, 1, 2, 3],
        ],
      },
      {
        outputs: [
          ['0', 1, 2],
          [true, false, null],
        ],
      },
    ],
    ...[
      {
        outputs: [
          [Number.NaN, 0, 1],
          [Number.POSITIVE_INFINITY, 0, 0],
        ],
      },
      { outputs: [-1, 3] },
      { outputs: [1.5, 1e300] },
    ],
    ...[{ outputs: ['horse', '__proto__'] }, { outputs: [{ __proto__: [1, 0, 0] }, { constructor: 1 }] }],
    ...[
      { outputs: [{ name: 'logits', data: [1, 2, 3, 4, 5] }] },
      { outputs: [{ name: 'logits', data: { length: 6 } }] },
    ],
    ...[
      { choices: {} },
      { choices: [null, 3] },
      { choices: [{ message: null }] },
      { choices: [{ index: -1, text: 'a' }] },
    ],
    JSON.parse(`${'['.repeat(2000)}${']'.repeat(2000)}`),
  ];

  test.each(Object.entries(FORMATS))('%s', (name, format) => {
    for (const reply of HOSTILE) {
      const count = format.isBatched ? 2 : 1;
      const answers = format.read(reply, count, context);
      expect(answers, JSON.stringify(reply)).toHaveLength(count);
      const usable = answers.filter((answer) => answer !== null);
      const isFair = name.startsWith('openai') || usable.every((answer) => typeof answer === 'number' && answer < 3);
      expect(isFair, JSON.stringify(reply)).toBe(true);
    }
  });

  test('a list of another length answers nothing: nobody knows which answer belongs to which question', () => {
    expect(FORMATS.plain.read({ outputs: [1, 1, 1] }, 2, context)).toEqual([null, null]);
  });

  test('bytes that are no JSON are null', () => {
    expect(parseReply(Buffer.from('<html>'))).toBeNull();
    expect(parseReply(Uint8Array.of(0xff, 0xfe))).toBeNull();
  });
});

describe('templates', () => {
  const codeOf = (template: string, responsePath = 'a') => {
    try {
      createTemplateFormat({ template, responsePath });
      return 'none';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  test('the question goes where the place is, the answer comes from the path', () => {
    const format = createTemplateFormat({
      template: '{"data": {"rows": ["{{input}}"]}, "top": 1}',
      responsePath: 'result.0.scores',
    });
    expect(format.write([ask(1, 2)], context)).toEqual({ data: { rows: [[[1], [2]]] }, top: 1 });
    expect(format.read({ result: [{ scores: [0, 0, 1] }] }, 1, context)).toEqual([2]);
    expect(format.read({ result: [] }, 1, context)).toEqual([null]);
    const text = createTemplateFormat({ template: '{"q": "{{prompt}}"}', responsePath: '' });
    expect(text.write([say('oak')], context)).toEqual({ q: 'oak' });
    expect(text.read('Moss', 1, context)).toEqual(['moss']);
  });

  test('a prompt is data: what looks like JSON or like a place in it stays as it is', () => {
    const format = createTemplateFormat({ template: '{"q": "{{prompt}}"}', responsePath: '' });
    expect(format.write([say('"}, {{input}}')], context)).toEqual({ q: '"}, {{input}}' });
  });

  test.each([
    ['no JSON', '{'],
    ['no place', '{"a": 1}'],
    ['places of both kinds', '["{{input}}", "{{prompt}}"]'],
    ['too deep', `${'['.repeat(50)}"{{input}}"${']'.repeat(50)}`],
  ])('%s is refused', (_name, template) => {
    expect(codeOf(template)).toBe('REMOTE_TEMPLATE_MALFORMED');
  });

  test('a path with empty steps is refused', () => {
    expect(codeOf('"{{input}}"', 'a..b')).toBe('REMOTE_TEMPLATE_MALFORMED');
  });
});

describe('token ids', () => {
  const ids = (...values: number[]): Question => ({ kind: 'tokens', name: 'input_ids', ids: Int32Array.from(values) });
  const tokens: FormatContext = { ...context, classes: 128, output: 'logits' };
  const format = FORMATS['openai-tokens'];

  test('one list of ids for one prompt, a list of lists for several; one token is asked for', () => {
    expect(format.write([ids(5, 6)], { ...tokens, model: 'ours' })).toMatchObject({
      ...{ model: 'ours', prompt: [5, 6], max_tokens: 1, temperature: 0, return_token_ids: true, return_tokens: true },
    });
    expect(format.write([ids(5, 6), ids(7, 8)], tokens)).toMatchObject({
      prompt: [
        [5, 6],
        [7, 8],
      ],
    });
    expect(() => format.write([say('words')], tokens)).toThrow(TypeError);
  });

  test.each<[string, unknown, number | null]>([
    ['the id in a list of the choice', { choices: [{ index: 0, text: 'x', token_ids: [17] }] }, 17],
    ['the id beside the content', { content: ' x', tokens: [18] }, 18],
    ['the id among the log probabilities', { choices: [{ text: 'x', logprobs: { tokens: ['token_id:19'] } }] }, 19],
    ['the text alone, with a list of tokens', { choices: [{ text: ' dog' }] }, 1],
    ['a text that is no token', { choices: [{ text: 'doggy' }] }, null],
    ['an id outside the vocabulary', { choices: [{ token_ids: [128] }] }, null],
    ['no whole number', { choices: [{ token_ids: [1.5] }] }, null],
    ['an index that was not asked', { choices: [{ index: 3, token_ids: [4] }] }, null],
    ['an error', { error: 'no' }, null],
    ['nothing', null, null],
  ])('reads %s', (_, reply, answer) => {
    expect(format.read(reply, 1, tokens)).toEqual([answer]);
  });

  test('several prompts are answered by their index, in any order', () => {
    const reply = { choices: [1, 0].map((index) => ({ index, token_ids: [40 + index] })) };
    expect(format.read(reply, 2, tokens)).toEqual([40, 41]);
  });
});
