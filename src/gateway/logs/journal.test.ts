import process from 'node:process';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import { JOURNAL_LIMITS } from '../../core/limits/metrics.ts';
import type { Answered } from '../ports.ts';
import { createJournal, JOURNAL_EVENTS, JOURNAL_FIELDS, type JournalEvent, tellRequests } from './index.ts';

const CANARY = 'canary-5ecret';

function open(options: Partial<Parameters<typeof createJournal>[0]> = {}) {
  const state = { nowMs: 1_800_000_000_000, isFull: false, text: '' };
  const journal = createJournal({
    clock: { nowMs: () => state.nowMs },
    write: (line) => {
      if (!state.isFull) state.text += line;
      return !state.isFull;
    },
    ...options,
  });
  const lines = () =>
    state.text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { journal, state, lines };
}

describe('a journal', () => {
  test('tells an event as one line of JSON, with its time and what all lines have', () => {
    const { journal, state } = open({ common: { worker: '1' } });
    journal.tell('listening', { host: '127.0.0.1', port: 8443, isTls: true });
    expect(state.text).toBe(
      '{"time":"2027-01-15T08:00:00.000Z","level":"info","event":"listening","worker":"1",' +
        '"host":"127.0.0.1","port":8443,"isTls":true}\n',
    );
  });

  test('below its level nothing is told', () => {
    const { journal, lines } = open({ level: 'error' });
    journal.tell('started');
    journal.tell('trouble', { code: 'DATABASE_BUSY' });
    journal.tell('fault', { code: 'UNKNOWN' });
    expect(lines().map(({ event }) => event)).toEqual(['fault']);
  });

  test('of a flood of one kind tells the first lines and the number of the others; other kinds are told', () => {
    const { journal, state, lines } = open();
    for (let at = 0; at < 500; at += 1) journal.tell('trouble', { code: 'DATABASE_BUSY', part: 'log' });
    journal.tell('trouble', { code: 'DATABASE_BUSY', part: 'API keys' });
    expect(lines()).toHaveLength(JOURNAL_LIMITS.linesPerSpan + 1);
    state.nowMs += JOURNAL_LIMITS.spanMs;
    journal.tell('trouble', { code: 'DATABASE_BUSY', part: 'log' });
    expect(lines().at(-1)).toMatchObject({ part: 'log', heldBack: 500 - JOURNAL_LIMITS.linesPerSpan });
    for (let at = 0; at < 30; at += 1) journal.tell('trouble', { code: 'DATABASE_BUSY', part: 'log' });
    journal.end();
    expect(lines().at(-1)).toMatchObject({ code: 'JOURNAL_HELD_BACK', heldBack: 11 });
  });

  test('that could not be written says later how much is missing', () => {
    const { journal, state, lines } = open();
    state.isFull = true;
    journal.tell('started');
    journal.tell('draining');
    state.isFull = false;
    journal.tell('ended');
    journal.tell('ended');
    expect(lines().map(({ event, lost }) => [event, lost])).toEqual([
      ['ended', 2],
      ['ended', undefined],
    ]);
  });

  test('kinds that were never seen do not grow its memory without end, whatever the code', () => {
    const { journal, lines } = open();
    for (let at = 0; at < 3 * JOURNAL_LIMITS.kindsMax; at += 1) journal.tell('trouble', { code: `CODE_${at}` });
    expect(lines()).toHaveLength(3 * JOURNAL_LIMITS.kindsMax);
  });
});

describe('no secret, input or path', () => {
  /** What a program could put into a line by mistake. */
  const LEAKS: readonly unknown[] = [
    `mwk_live_${CANARY}`,
    `eyJhbGciOiJFUzI1NiJ9.${CANARY}.AAAA`,
    `Bearer ${CANARY}`,
    `/home/${CANARY}/model.onnx`,
    `C:\\models\\${CANARY}`,
    `https://user:${CANARY}@host/path`,
    `{"inputs":["${CANARY}"]}`,
    `two\nlines ${CANARY}`,
    { nested: CANARY },
    [CANARY, { deep: CANARY }],
    Buffer.from(CANARY),
    new Error(CANARY),
    CANARY.repeat(1000),
  ];

  test('gets into any field of any event: what is not of its form is left out, and named', () => {
    const { journal, lines } = open();
    for (const event of Object.keys(JOURNAL_EVENTS) as JournalEvent[]) {
      for (const name of Object.keys(JOURNAL_FIELDS)) {
        // Names, made by configurations and checked there, are words; they hold neither of the above.
        for (const leak of LEAKS) journal.tell(event, { [name]: leak });
      }
    }
    expect(lines().filter((line) => JSON.stringify(line).includes(CANARY))).toEqual([]);
    expect(lines().every(({ withheld }) => Array.isArray(withheld) && withheld.length === 1)).toBe(true);
  });

  test('gets in under a name that is not listed', () => {
    const { journal, lines } = open();
    const fields = { authorization: CANARY, body: CANARY, [CANARY]: CANARY, __proto__: { code: CANARY } };
    journal.tell('fault', fields as object);
    expect(lines()[0]).toMatchObject({ withheld: ['authorization', 'body', 'other'] });
    expect(JSON.stringify(lines())).not.toContain(CANARY);
  });

  test('gets out of an error: neither message nor cause nor fields that are not listed', () => {
    const { journal, state, lines } = open();
    const system = Object.assign(new Error(`connect ${CANARY}`), {
      code: 'ECONNREFUSED',
      address: CANARY,
      path: CANARY,
    });
    const cause = new Error(CANARY, { cause: system });
    journal.fault(new GatewayError('GATEWAY_LOG_FAILED', { fields: { reason: 'ENOSPC', path: CANARY }, cause }));
    journal.fault(new TypeError(`${CANARY}\n    at f (${process.cwd()}/src/${CANARY}.ts:1:2)`, { cause }));
    journal.fault({ code: CANARY, message: CANARY });
    journal.fault(CANARY);
    const circle = new Error(CANARY);
    circle.cause = circle;
    journal.fault(circle);
    expect(lines()).toMatchObject([
      { event: 'trouble', code: 'GATEWAY_LOG_FAILED', reason: 'ENOSPC', causes: ['ECONNREFUSED'] },
      { event: 'fault', code: 'UNKNOWN', kind: 'TypeError', causes: ['ECONNREFUSED'] },
      { event: 'fault', code: 'UNKNOWN' },
      { event: 'fault', code: 'UNKNOWN' },
      { event: 'fault', code: 'UNKNOWN', kind: 'Error' },
    ]);
    expect(state.text).not.toContain(CANARY);
  });

  test('an error that nobody accounts for says where it came from, below the root of the program', () => {
    const { journal, lines } = open();
    journal.fault(new RangeError('x'));
    const [{ frames }] = lines();
    expect((frames as string[])[0]).toMatch(/^gateway\/logs\/journal\.test\.ts:\d+:\d+$/);
  });
});

describe('lines of requests', () => {
  const answered: Answered = {
    ...{ protocol: 'oip', model: 'digits', route: '', principalId: 'key:k_1', status: 200, code: null },
    ...{ requestId: '0192f0c1-2345-7abc-8def-0123456789ab', durationUs: 812.4, items: 3, inputBytes: 100, answerBytes: 50 },
  }; // biome-ignore format: one request

  test.each([
    ['none', []],
    ['failures', [502]],
    ['refusals', [429, 502]],
    ['all', [200, 429, 502]],
  ] as const)('%s', (which, expected) => {
    const { journal, lines } = open();
    let counted = 0;
    const meter = tellRequests(journal, { onAnswer: () => counted++ }, which);
    for (const status of [200, 429, 502]) meter.onAnswer({ ...answered, status });
    expect(lines().map(({ status }) => status)).toEqual(expected);
    expect(counted).toBe(3);
  });

  test('say who asked for what, and how it went', () => {
    const { journal, lines } = open();
    tellRequests(journal, { onAnswer: () => undefined }, 'all').onAnswer(answered);
    expect(lines()[0]).toEqual({
      ...{ time: '2027-01-15T08:00:00.000Z', level: 'info', event: 'request', principal: 'key:k_1', protocol: 'oip' },
      ...{ requestId: answered.requestId, model: 'digits', status: 200, durationUs: 812, items: 3 },
      ...{ inputBytes: 100, answerBytes: 50 },
    });
  });
});
