/** `modelward log` and `verify-response` as operator, customer and outsider run them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBase64Url } from '../../src/core/base64url.ts';
import type { RequestProof } from '../../src/gateway/index.ts';
import { toPrincipal } from '../gateway/integrity-cases.ts';
import {
  ANSWER_BODY,
  type HomeLog,
  makeHomeLog,
  REQUEST_BODY,
  REQUEST_PATH,
  toCurlOutput,
} from '../gateway/sealed-log.ts';
import { createWorkplace, type Run, type Workplace } from './command.ts';

interface Checked {
  readonly isVerified: boolean;
  readonly findings: readonly { readonly code: string }[];
  readonly marks: readonly { readonly kind: string; readonly outcome: string }[];
}

let place: Workplace;
let log: HomeLog;
beforeAll(async () => {
  place = createWorkplace();
  mkdirSync(place.home, { mode: 0o700 });
  log = await makeHomeLog(place.home);
  const [created] = place.runAll([['apikey', 'create', '--name', 'Acme', '--model', 'digits', '-o', 'acme.json']]);
  expect(created.status, created.stderr).toBe(0);
  const { keyId, tagKey } = JSON.parse(read('acme.json')) as { keyId: string; tagKey: string };
  write('answer.http', toCurlOutput(log, toPrincipal(findBase64Url(tagKey), `key:${keyId}`)));
  write('body.json', REQUEST_BODY);
});
afterAll(async () => {
  await log.close();
  place.remove();
});

const read = (file: string): string => readFileSync(join(place.folder, file), 'utf8');
const write = (file: string, text: string): void => {
  writeFileSync(join(place.folder, file), text, { mode: 0o600 });
};
const toChecked = ({ stdout }: Run): Checked => JSON.parse(stdout) as Checked;

describe('modelward log', () => {
  test('verify, query, export, prove, retain and key', () => {
    const runs = place.runAll([
      ['log', 'verify'],
      ['log', 'verify', '--json'],
      ['log', 'query', '--tenant', 'acme', '--json'],
      ['log', 'query', '--input', 'body.json'],
      ['log', 'export', '--key', 'k_A', '-o', 'out/rows.ndjson'],
      ['log', 'prove', 'request-3', '-o', 'row.proof.json'],
      ['log', 'prove', '--stream', 'stream0', '--index', '3'],
      ['log', 'retain', '--days', '1', '--dry-run', '--json'],
      ['log', 'key'],
    ]);
    expect(runs.map(({ status, stderr }) => [status, stderr])).toEqual(runs.map(() => [0, '']));
    expect(runs[0].stdout).toContain('nothing was changed');
    expect(JSON.parse(runs[1].stdout)).toMatchObject({ isIntact: true, streams: [{ rows: 20, anchored: 20 }] });
    expect(JSON.parse(runs[2].stdout)).toMatchObject({ isCut: false, requests: { length: 10 } });
    expect(runs[3].stdout.match(/request-\d+/g)).toEqual(['request-3']);
    expect(read('out/rows.ndjson').trimEnd().split('\n')).toHaveLength(20);
    expect((JSON.parse(read('row.proof.json')) as RequestProof).index).toBe(3);
    expect(JSON.parse(runs[6].stdout)).toEqual(JSON.parse(read('row.proof.json')));
    expect(JSON.parse(runs[7].stdout)).toMatchObject({ isDryRun: true, dropped: [{ day: 20_260_101, rows: 20 }] });
    write('gateway.pem', runs[8].stdout);
    expect(runs[8].stdout).toMatch(/^-----BEGIN PUBLIC KEY-----\n/);
  });

  test('what is not there, or asked in two ways, is refused', () => {
    const wrong: [string, number, string[]][] = [
      ['GATEWAY_LOG_NOT_FOUND', 2, ['verify', '--database', 'sqlite:none.db']],
      ['GATEWAY_LOG_ROW_UNKNOWN', 4, ['prove', 'request-99']],
      ['GATEWAY_LOG_ROW_UNCOVERED', 4, ['prove', '--stream', 'stream0', '--index', '20']],
      ['CLI_USAGE', 2, ['prove', 'request-3', '--index', '3']],
      ['CLI_USAGE', 2, ['query', '--key', 'k_A', '--principal', 'jwt:x']],
      ['DATABASE_PASSWORD_EXPOSED', 2, ['verify', '--database', 'postgres://a:secret@h/d']],
      ['WRITE_EXISTS', 2, ['export', '-o', 'body.json']],
    ];
    const runs = place.runAll(wrong.map(([, , words]) => ['log', ...words]));
    expect(runs.map(({ status, stderr }, at) => [stderr.includes(wrong[at][0]), status])).toEqual(
      wrong.map(([, status]) => [true, status]),
    );
    expect(read('body.json')).toBe(REQUEST_BODY);
  });
});

describe('modelward verify-response', () => {
  const asked = ['--request-body', 'body.json', '--path', REQUEST_PATH];

  test('with the customer’s key, the public key and a proof, or all of them', () => {
    write('head.txt', read('answer.http').split('\r\n\r\n').slice(0, 2).join('\r\n\r\n'));
    write('answer.json', ANSWER_BODY);
    const runs = place.runAll([
      ['verify-response', 'answer.http', ...asked, '--key', 'acme.json'],
      ['verify-response', 'answer.json', '--headers', 'head.txt', ...asked, '--key', 'acme.json', '--json'],
      [
        'verify-response',
        'answer.http',
        ...asked,
        '--public-key',
        'gateway.pem',
        '--proof',
        'row.proof.json',
        '--json',
      ],
      [
        'verify-response',
        'answer.http',
        ...asked,
        '--key',
        'acme.json',
        '--public-key',
        'gateway.pem',
        '--proof',
        'row.proof.json',
      ],
    ]);
    expect(runs.map(({ status, stderr }) => [status, stderr])).toEqual(runs.map(() => [0, '']));
    expect(runs[0].stdout).toContain('verified\n');
    expect(toChecked(runs[1]).marks).toMatchObject([{ kind: 'tag', outcome: 'good' }]);
    expect(toChecked(runs[2]).marks).toMatchObject([
      { kind: 'tag', outcome: 'unchecked' },
      { kind: 'proof', outcome: 'good' },
    ]);
  });

  test('each thing that is wrong has its code, and exit 1', () => {
    write('changed.http', read('answer.http').replace(ANSWER_BODY, '{"outputs":[1]}'));
    write('other.json', '{}');
    const [rotated] = place.runAll([
      ['apikey', 'create', '--name', 'Other', '--model', 'digits', '-o', 'other-key.json'],
    ]);
    expect(rotated.status).toBe(0);
    const wrong: [string, string[]][] = [
      ['INTEGRITY_BODY_CHANGED', ['changed.http', ...asked, '--key', 'acme.json']],
      [
        'INTEGRITY_INPUT_OTHER',
        ['answer.http', '--request-body', 'other.json', '--path', REQUEST_PATH, '--key', 'acme.json'],
      ],
      ['INTEGRITY_TAG_WRONG', ['answer.http', '--request-body', 'body.json', '--path', '/v2', '--key', 'acme.json']],
      ['INTEGRITY_KEY_OTHER', ['answer.http', ...asked, '--key', 'other-key.json']],
      ['INTEGRITY_MISSING', ['answer.http', ...asked, '--public-key', 'gateway.pem']],
      ['INTEGRITY_TOO_OLD', ['answer.http', ...asked, '--key', 'acme.json', '--max-age', '5m']],
    ];
    const runs = place.runAll(wrong.map(([, words]) => ['verify-response', ...words, '--json']));
    expect(runs.map((run) => [toChecked(run).findings.map(({ code }) => code)[0], run.status])).toEqual(
      wrong.map(([code]) => [code, 1]),
    );
    const [plain] = place.runAll([['verify-response', ...wrong[0][1]]]);
    expect(plain.stdout).toContain('not verified');
    expect(plain.stdout).toContain('INTEGRITY_BODY_CHANGED');
  });

  test('without a key, with a key that others can read, or with no answer: refused before anything is said', () => {
    writeFileSync(join(place.folder, 'open.json'), read('acme.json'), { mode: 0o644 });
    const wrong: [string, string[]][] = [
      ['CLI_USAGE', ['answer.http', ...asked]],
      ['CLI_USAGE', ['answer.http', ...asked, '--key', 'acme.json', '--proof', 'row.proof.json']],
      ['CLI_SECRET_FILE_EXPOSED', ['answer.http', ...asked, '--key', 'open.json']],
      ['INTEGRITY_FILE_MALFORMED', ['body.json', ...asked, '--key', 'acme.json']],
      ['GATEWAY_PROOF_MALFORMED', ['answer.http', ...asked, '--public-key', 'gateway.pem', '--proof', 'body.json']],
    ];
    const runs = place.runAll(wrong.map(([, words]) => ['verify-response', ...words]));
    expect(runs.map(({ stderr }, at) => stderr.includes(wrong[at][0]))).toEqual(wrong.map(() => true));
    const { tagKey } = JSON.parse(read('acme.json')) as { tagKey: string };
    expect(runs.map(({ stdout, stderr }) => stdout + stderr).join('')).not.toContain(tagKey);
  });
});
