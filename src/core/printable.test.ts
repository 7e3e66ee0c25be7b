import { expect, test } from 'vitest';
import { toPrintable } from './printable.ts';

test('terminal escapes, line breaks, direction overrides and lone surrogates are spelled out', () => {
  expect(toPrintable('conv1\u001b[2K\rfc\n')).toBe('conv1\\u{1b}[2K\\u{d}fc\\u{a}');
  expect(toPrintable('a\u202egpj\u2066\u009b31m')).toBe('a\\u{202e}gpj\\u{2066}\\u{9b}31m');
  expect(toPrintable('\ud800x')).toBe('\\u{d800}x');
});

test('ordinary text of any script stays as it is', () => {
  for (const text of ['encoder/layer.0/weight', 'größe', '重み', '🙂', 'a b']) expect(toPrintable(text)).toBe(text);
});
