import { expect, test } from 'vitest';
import type { HeaderList } from '../../gateway/ports.ts';
import { toAnswerHead, toTrailers } from './answer-head.ts';
import { toFlatHeaders } from './headers.ts';

const TERMS = { isTls: false, isLast: false, framing: 'content-length: 2\r\n' };

const LISTS: readonly HeaderList[] = [
  [],
  [['content-type', 'application/json']],
  [
    ['cache-control', 'max-age=1'],
    ['set-cookie', 'a'],
    ['set-cookie', 'b'],
  ],
  [
    ['connection', 'close'],
    ['content-length', '7'],
    ['transfer-encoding', 'chunked'],
    ['x-a', '\t caf\xe9 "quoted", spaced'],
    ['x-empty', ''],
  ],
];

/** Lines of a head, first and last ones apart. */
const toLines = (head: string): string[] => head.split('\r\n');

test.each([true, false])('A head has the headers that other versions of HTTP get, line by line (TLS: %s)', (isTls) => {
  for (const list of LISTS) {
    const lines = toLines(toAnswerHead(200, list, { ...TERMS, isTls }));
    const flat = toFlatHeaders(list, isTls);
    const expected = Array.from({ length: flat.length / 2 }, (_, at) => `${flat[2 * at]}: ${flat[2 * at + 1]}`);
    expect(lines[0]).toBe('HTTP/1.1 200 OK');
    expect(lines.slice(1, 1 + expected.length)).toEqual(expected);
    expect(lines.slice(1 + expected.length)).toEqual([
      'content-length: 2',
      expect.stringMatching(/^date: \w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/),
      'connection: keep-alive',
      '',
      '',
    ]);
  }
});

test('The last answer of a connection says so, and a status without a name has one', () => {
  const head = toAnswerHead(299, [], { ...TERMS, isLast: true });
  expect(head).toMatch(/^HTTP\/1\.1 299 unknown\r\n/);
  expect(head).toMatch(/\r\nconnection: close\r\n\r\n$/);
});

const NO_VALUES = ['a\r\nset-cookie: b', 'a\nb', 'a\rb', 'a\0b', 'a\x7fb', 'Łódź'];
const NO_NAMES = ['', 'x y', 'x:y', 'X-Upper', 'x\r\ny'];

test.each(NO_VALUES)('A value that would not stay one line is in no head and no trailer: %j', (value) => {
  expect(() => toAnswerHead(200, [['x-a', value]], TERMS)).toThrow(TypeError);
  expect(() => toTrailers([['x-a', value]])).toThrow(TypeError);
});

test.each(NO_NAMES)('What is no name is in no head and no trailer, the second time neither: %j', (name) => {
  for (let time = 1; time <= 2; time++) {
    expect(() => toAnswerHead(200, [[name, 'a']], TERMS)).toThrow(TypeError);
    expect(() => toTrailers([[name, 'a']])).toThrow(TypeError);
  }
});

test('Trailers are lines of their own', () => {
  expect(
    toTrailers([
      ['x-a', '1'],
      ['x-b', ''],
    ]),
  ).toBe('x-a: 1\r\nx-b: \r\n');
  expect(toTrailers([])).toBe('');
});
