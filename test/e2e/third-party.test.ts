import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProtectResult } from '../../src/workflows/protect/options.ts';
import { bin, createWorkplace, type Run, samples, type Workplace } from './command.ts';

/** The commands of section 7 of a report, in order. */
function readCommands(html: string): string[] {
  const section = html.slice(html.indexOf('id="s7"'));
  const entities: Readonly<Record<string, string>> = {
    '&gt;': '>',
    '&lt;': '<',
    '&quot;': '"',
    '&#39;': "'",
    '&amp;': '&',
  };
  return [...section.matchAll(/<pre>([^<]*)<\/pre>/g)].map(([, text = '']) =>
    text.replace(/&(?:gt|lt|quot|amp|#39);/g, (entity) => entities[entity] ?? entity),
  );
}

/** Types a line into a shell that knows the command. */
function type(place: Workplace, line: string): Run {
  const script = `modelward() { "${process.execPath}" "${bin}" "$@"; }\n${line}`;
  const env = { ...process.env, MODELWARD_HOME: place.home, NO_COLOR: '1' };
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', script], { cwd: place.folder, encoding: 'utf8', env });
  return { status, stdout, stderr };
}

describe('a third party follows the report of a protected model', () => {
  let owner: Workplace;
  let judge: Workplace;
  let result: ProtectResult;
  let commands: string[];
  const find = (start: string): string => commands.find((line) => line.startsWith(start)) ?? `no command ${start}`;
  /** Gives a file of the owner's folder to the judge. */
  const give = (path: string, name: string): void => {
    cpSync(path, join(judge.folder, name));
  };
  beforeAll(() => {
    owner = createWorkplace({ isOneProcess: true });
    judge = createWorkplace({ isOneProcess: true });
    cpSync(join(samples, 'mlp.onnx'), join(owner.folder, 'mlp.onnx'));
    result = owner.json<ProtectResult>(['protect', 'mlp.onnx', '--eval', join(samples, 'eval.npz'), '--out', 'out']);
    commands = readCommands(readFileSync(result.report.path, 'utf8'));
    give(result.marked?.path ?? '', 'mlp.marked.onnx');
    give(result.baseline.path, 'mlp.baseline.json');
  });
  afterAll(() => {
    owner.remove();
    judge.remove();
  });

  test('the file has the digest of the report', () => {
    expect(type(judge, find('sha256sum')).stdout).toContain(result.marked?.sha256);
  });

  test.each([
    ['keys show > OWNER_KEY_FILE'],
    ['keys show --json > OWNER_KEY_FILE'],
  ])('nothing was changed, by the key that the owner printed with %s', (line) => {
    expect(readFileSync(result.report.path, 'utf8')).toContain('modelward keys show &gt; OWNER_KEY_FILE');
    expect(type(owner, `modelward ${line}`).status).toBe(0);
    give(join(owner.folder, 'OWNER_KEY_FILE'), 'OWNER_KEY_FILE');
    const verified = type(judge, find('modelward verify'));
    expect(verified.stdout).toContain('unchanged');
    expect(verified.status).toBe(0);
  });

  test('the secret was fixed before: entry and proof hold under the key of the ledger, and under no other', () => {
    expect(type(owner, find('modelward ledger prove')).status).toBe(0);
    const name = `entry-${result.commitment?.leafIndex ?? ''}.tlog-proof`;
    give(join(owner.folder, name), name);
    const check = find('modelward ledger verify');
    const checked = type(judge, check);
    expect(checked.status).toBe(0);
    const commitment = JSON.parse(readFileSync(result.commitment?.path ?? '', 'utf8')) as { digest: string };
    expect(checked.stdout).toContain(`commitment  ${commitment.digest}`);
    expect(owner.json<{ ledgerKey: string }>(['keys', 'show'])).toMatchObject({
      ledgerKey: expect.stringContaining(check.split(' ').at(-1)?.replaceAll("'", '') ?? 'no key'),
    });

    const stranger = judge.json<{ ledgerKey: string }>(['keys', 'create']).ledgerKey;
    const other = judge.run(['ledger', 'verify', name, '--ledger-key', stranger, '--json']);
    expect(JSON.parse(other.stdout)).toMatchObject({ error: { code: 'LEDGER_NOTE_UNTRUSTED' } });
    const proof = readFileSync(join(judge.folder, name), 'utf8');
    const [extra = ''] = /^extra (.*)$/m.exec(proof)?.slice(1) ?? [];
    const forged = Buffer.from(extra, 'base64')
      .toString('utf8')
      .replace('2026-', '2016-')
      .replace('"seq":3', '"seq":4');
    writeFileSync(join(judge.folder, name), proof.replace(extra, Buffer.from(forged).toString('base64')));
    expect(type(judge, check).stderr).toContain('LEDGER_PROOF_INVALID');
    writeFileSync(join(judge.folder, name), proof.replace(/^extra .*\n/m, ''));
    expect(type(judge, check).stderr).toContain('LEDGER_PROOF_MALFORMED');
  });

  test('a suspect carries the mark, read with the seed that the owner disclosed', () => {
    const disclose = find('modelward disclose');
    give(result.claim?.path ?? '', disclose.split(' ')[2] ?? '');
    cpSync(result.claim?.path ?? '', join(owner.folder, disclose.split(' ')[2] ?? ''));
    expect(type(owner, disclose).status).toBe(0);
    give(join(owner.folder, 'SEED_FILE'), 'SEED_FILE');
    give(join(owner.folder, 'mlp.onnx'), 'mlp.onnx');
    const read = type(judge, find('modelward detect').replace('SUSPECT_FILE', 'mlp.marked.onnx'));
    expect(JSON.parse(read.stdout)).toMatchObject({ verdict: 'claim' });
  });

  test('a ledger that its owner rewrote whole is found by a checkpoint that was kept', () => {
    writeFileSync(join(owner.folder, 'kept'), owner.run(['ledger', 'checkpoint']).stdout);
    expect(owner.run(['ledger', 'fsck', '--known', 'kept']).status).toBe(0);
    renameSync(join(owner.home, 'ledger'), join(owner.folder, 'old-ledger'));
    mkdirSync(join(owner.home, 'ledger'), { mode: 0o700 });
    for (let i = 0; i < 3; i += 1) owner.json(['detect', 'mlp.onnx']);
    expect(owner.run(['ledger', 'fsck']).status).toBe(0);
    const rewritten = owner.run(['ledger', 'fsck', '--known', 'kept', '--json']);
    expect(JSON.parse(rewritten.stdout)).toMatchObject({ findings: [{ code: 'history-differs' }] });
    expect(rewritten.status).toBe(1);
    rmSync(join(owner.home, 'ledger'), { recursive: true });
    renameSync(join(owner.folder, 'old-ledger'), join(owner.home, 'ledger'));
  });
});
