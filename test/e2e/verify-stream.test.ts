/** `modelward verify-response` of answers that are streams of events, as `curl -i` wrote them: by the vectors of signed answers. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type IntegrityCase, type IntegrityVectors, vectorsFolder } from '../gateway/integrity-cases.ts';
import { createWorkplace } from './command.ts';

const place = createWorkplace();
afterAll(() => {
  place.remove();
});

const write = (name: string, text: string): string => {
  writeFileSync(join(place.folder, name), text, { mode: 0o600 });
  return name;
};

/** What the customer has of one answer, and the words to check it by. */
function toWords({ request, status, headers, body, keys }: IntegrityCase, n: number): readonly string[] {
  const head = [`HTTP/1.1 ${status} OK`, ...headers.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n');
  const asked = ['--request-body', write(`${n}.json`, request.body), '--path', request.path];
  const tag = keys.tag ? ['--key', 'key.json'] : [];
  const signature = keys.publicKey ? ['--public-key', 'gateway.pem'] : [];
  return ['verify-response', write(`${n}.http`, head + body), ...asked, ...tag, ...signature, '--json'];
}

test('a whole stream is verified; what was cut off, changed or put in has its code, and exit 1', () => {
  const vectors = JSON.parse(readFileSync(join(vectorsFolder, 'answers.json'), 'utf8')) as IntegrityVectors;
  write('key.json', JSON.stringify(vectors.tagKey));
  write('gateway.pem', vectors.publicKey);
  // How old they are is not asked: the clock of the command is that of the machine.
  const streams = vectors.cases.filter(({ kind }) => kind === 'stream');
  expect(streams.filter(({ expect: code }) => code === null).length).toBeGreaterThan(1);
  const runs = place.runAll(streams.map(toWords));
  const found = runs.map(({ status, stdout }) => {
    const { findings } = JSON.parse(stdout) as { findings: readonly { readonly code: string }[] };
    return [status, findings.at(0)?.code ?? null];
  });
  expect(found).toEqual(streams.map(({ expect: code }) => [code === null ? 0 : 1, code]));
});
