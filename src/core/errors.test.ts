/** The registry as a whole: every error says what can be done, but for those where nothing can be said. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from './errors.ts';

const cli = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');

/** With the reason why no fix is told. */
const WITHOUT: Partial<Record<ErrorCode, string>> = {
  CLI_INTERRUPTED: 'the user did it',
};

/** What a policy forbids is for its owner to change; what a chip answers wrongly, for its maker. */
const OF_OTHERS = ['ATTEST_POLICY_', 'TPM_RESPONSE_'];

const rows = Object.entries(ERRORS) as [ErrorCode, (typeof ERRORS)[ErrorCode] & { readonly fix?: string }][];

test('every error says what can be done about it', () => {
  const silent = rows.filter(
    ([code, { fix }]) => fix === undefined && !(code in WITHOUT) && !OF_OTHERS.some((area) => code.startsWith(area)),
  );
  expect(silent.map(([code]) => code)).toEqual([]);
});

test('a fix names commands that there are', () => {
  const headings = new Set([...cli.matchAll(/^## modelward (.+)$/gm)].map(([, name]) => name));
  const isCommand = (words: string): boolean => {
    const [first, second = ''] = words.split(' ');
    const isParent = [...headings].some((name) => name.startsWith(`${first} `));
    return headings.has(isParent && second !== '' ? `${first} ${second}` : first);
  };
  const named = rows.flatMap(([code, { fix = '' }]) =>
    [...fix.matchAll(/\bmodelward ([a-z]+(?:-[a-z]+)*(?: [a-z]+(?:-[a-z]+)*)?)/g)].map(([, words]) => ({
      code,
      words,
    })),
  );
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter(({ words }) => !isCommand(words))).toEqual([]);
});

test('codes without a fix have none', () => {
  for (const code of Object.keys(WITHOUT) as ErrorCode[]) expect(ERRORS[code]).not.toHaveProperty('fix');
});
