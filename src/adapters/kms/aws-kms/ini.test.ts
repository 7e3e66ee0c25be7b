import { expect, test } from 'vitest';
import { findProfile } from './ini.ts';

const FILE = [
  '# of the tools',
  '[default]',
  'region = eu-west-1',
  '[ profile   models ] ; ours',
  'Region=eu-central-1',
  'role_arn = arn:aws:iam::1:role/a=b ',
  's3 =',
  '  region = nested',
  'no value',
  'a b = c',
  // No header, for what stands behind it.
  '[profile other] more',
  'output = json',
  '[profile models]',
  'output = text',
].join('\r\n');

test.each([
  ['default', { region: 'eu-west-1' }],
  ['profile models', { region: 'eu-central-1', role_arn: 'arn:aws:iam::1:role/a=b', s3: '', output: 'text' }],
])('[%s]', (section, expected) => {
  expect({ ...findProfile(FILE, section) }).toEqual(expected);
});

test.each(['profile other', 'models', 'constructor', ''])('no [%s]', (section) => {
  expect(findProfile(FILE, section)).toBeUndefined();
});

test.each([
  ['a header that does not end', `[${' '.repeat(3000)}x`],
  ['a value with many blanks in it', `[default]\na = b${' '.repeat(100_000)}b`],
  ['a name with many blanks behind it', `[default]\na${' '.repeat(100_000)}`],
])('%s is read at once', (_name, text) => {
  // A pattern that goes back and forth over the blanks takes longer than any test may.
  expect(findProfile(`${text}\n[end]\nb = c`, 'end')).toEqual({ b: 'c' });
});
