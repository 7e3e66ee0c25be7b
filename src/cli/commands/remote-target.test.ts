/** Headers and class names from files of the user. */
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { parseHeaders, readLabels } from './remote-target.ts';

describe('headers', () => {
  test('are lines of name and value; nothing in them can begin another header', () => {
    expect(parseHeaders('X-Team: blue\r\n\nauthorization:  Key a:b \n')).toEqual([
      ['x-team', 'blue'],
      ['authorization', 'Key a:b'],
    ]);
    for (const bad of [
      'X Team: a',
      ': a',
      'x-a',
      'x-a:',
      'x-a: b\u0000',
      'x-a: b\rHost: c',
      'x-a: ü',
      'Host: a',
      'content-length: 1',
    ]) {
      expect(
        codeOf(() => parseHeaders(bad)),
        bad,
      ).toBe('REMOTE_HEADERS_MALFORMED');
    }
    expect(codeOf(() => parseHeaders('a: b\n'.repeat(65)))).toBe('REMOTE_HEADERS_MALFORMED');
  });

  test('a refusal names the line and not what is in it', () => {
    try {
      parseHeaders('x-a: b\nsecret canary');
    } catch (error) {
      expect(error).toMatchObject({ fields: { line: 2 } });
      expect(JSON.stringify(error) + String(error)).not.toContain('canary');
    }
  });
});

describe('class names', () => {
  test('are one per line, each once', () => {
    expect([...readLabels(Buffer.from('cat\r\ndog\n'))]).toEqual([
      ['cat', 0],
      ['dog', 1],
    ]);
    for (const bad of ['', 'cat\ncat', 'cat\n\ndog']) {
      expect(
        codeOf(() => readLabels(Buffer.from(bad))),
        bad,
      ).toBe('REMOTE_LABELS_MALFORMED');
    }
  });
});
