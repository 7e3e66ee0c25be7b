/** The life of keys by the command line: status, rotation that is killed and goes on, moves, and what is refused. */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KeyStatus, MoveResult, RotateResult } from '../../src/workflows/index.ts';
import { createWorkplace, samples, type Workplace } from '../e2e/command.ts';
import { countReplaced, expectAllOn, openHomeKey, runAndKill, writeEnvelopes } from './many.ts';

const MANY = 150;

let place: Workplace;
beforeEach(() => {
  place = createWorkplace({ isOneProcess: true });
  cpSync(join(samples, 'mlp.onnx'), join(place.folder, 'mlp.onnx'));
  place.json(['seal', 'mlp.onnx', '--out', 'sealed/mlp.seal']);
});
afterEach(() => {
  place.remove();
});

const rotate = (...args: string[]): RotateResult => place.json<RotateResult>(['keys', 'rotate', ...args]);
const status = (...args: string[]): KeyStatus => place.json<KeyStatus>(['keys', 'status', ...args]);
const entries = (): { type: string; detail: { operation?: string } }[] =>
  place.json<{ entries: { type: string; detail: { operation?: string } }[] }>(['ledger', 'show']).entries;

const codeOf = (args: readonly string[]): string | undefined =>
  (JSON.parse(place.run([...args, '--json']).stdout) as { error?: { code: string } }).error?.code;

describe('keys rotate', () => {
  test('makes a version, moves every envelope, shows sealed files unchanged, ends the old version last', () => {
    const seal = join(place.folder, 'sealed/mlp.seal');
    const before = statSync(seal, { bigint: true });
    expect(rotate('--seal', 'sealed/mlp.seal', '--disable-old')).toMatchObject({
      ...{ from: '1', to: '2', isResumed: false, rewrapped: 1, kept: 0, remaining: {}, faults: [], disabled: ['1'] },
      seals: [{ file: 'mlp.seal', isUnchanged: true, isAsRecorded: true }],
    });
    const after = statSync(seal, { bigint: true });
    expect([after.mtimeNs, after.ino]).toEqual([before.mtimeNs, before.ino]);
    const told = entries();
    const operations = told.flatMap(({ type, detail }) => (type === 'key-use-intent' ? [detail.operation] : []));
    expect(operations).toEqual(['wrap', 'rotate', 'rewrap', 'unwrap', 'disable']);
    expect(told.filter(({ type }) => type === 'rewrap')).toHaveLength(1);
    expect(place.run(['open', 'sealed/mlp.seal', '--out', 'opened']).status).toBe(0);
    expect(readFileSync(join(place.folder, 'opened/mlp.onnx'))).toEqual(readFileSync(join(samples, 'mlp.onnx')));
  });

  test('without --disable-old older versions go on opening older envelopes; a dry run uses no key', () => {
    const kept = join(place.folder, 'kept.keys.json');
    const { versions } = status();
    const [name] = place.run(['keys', 'rotate', '--dry-run', '--json']).stdout.split('\n');
    expect(JSON.parse(name)).toMatchObject({ dryRun: true, versions });
    expect(entries()).toHaveLength(3);
    const path = join(
      place.home,
      'envelopes',
      `${place.json<{ sealId: string }>(['inspect', 'sealed/mlp.seal']).sealId}.keys.json`,
    );
    cpSync(path, kept);
    rotate();
    expect(place.run(['open', 'sealed/mlp.seal', '--envelope', kept, '--out', 'opened']).status).toBe(0);
  });

  test('killed at any moment it goes on where it stopped: one new version, no envelope lost', async () => {
    // Three groups, which are moved one after the other.
    await writeEnvelopes(place, MANY);
    const countMoved = countReplaced(place);
    const hasBegun = (): boolean => readdirSync(join(place.home, 'keys')).some((name) => name.startsWith('rotation.'));
    for (const isTime of [hasBegun, () => countMoved() > 0, () => countMoved() > MANY / 2]) {
      expect(await runAndKill(place, ['keys', 'rotate', '--disable-old'], isTime)).toBe(true);
    }
    expect(countMoved()).toBeLessThan(MANY + 1);
    const unfinished = place.run(['keys', 'rotate', '--disable-old', '--json']);
    expect(unfinished.status).toBe(0);
    const { to } = JSON.parse(unfinished.stdout) as RotateResult;
    // The one that was sealed is beside them.
    const { versions, envelopes } = status();
    expect(envelopes).toBe(MANY + 1);
    expect(versions).toMatchObject([{ version: to, state: 'enabled', isCurrent: true, wrappedKeys: MANY + 1 }]);
    await expectAllButSealed(to);
    expect(place.run(['ledger', 'fsck']).status).toBe(0);
  });

  const expectAllButSealed = async (version: string): Promise<void> => {
    const { sealId } = place.json<{ sealId: string }>(['inspect', 'sealed/mlp.seal']);
    const path = join(place.home, 'envelopes', `${sealId}.keys.json`);
    place.run(['open', 'sealed/mlp.seal', '--out', 'opened']);
    expect(readFileSync(join(place.folder, 'opened/mlp.onnx'))).toEqual(readFileSync(join(samples, 'mlp.onnx')));
    writeFileSync(join(place.folder, 'aside.keys.json'), readFileSync(path));
    rmSync(path);
    await expectAllOn(place, MANY, version);
  };

  test('an envelope that cannot be moved is named, keeps its key, and no version is ended', () => {
    const broken = join(place.home, 'envelopes', '0190b5a0-0000-7000-8000-00000000dead.keys.json');
    writeFileSync(broken, '{"v":1}');
    const run = place.run(['keys', 'rotate', '--disable-old', '--json']);
    expect(run.status).toBe(1);
    expect(JSON.parse(run.stdout)).toMatchObject({
      ...{ rewrapped: 1, disabled: [] },
      faults: [{ file: '0190b5a0-0000-7000-8000-00000000dead.keys.json', code: 'ENVELOPE_INVALID' }],
    });
  });

  test('a sealed file that is not as it was recorded stops before any version is ended', () => {
    const path = join(place.folder, 'sealed/mlp.seal');
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] ^= 1;
    writeFileSync(path, bytes);
    const run = place.run(['keys', 'rotate', '--seal', 'sealed/mlp.seal', '--disable-old', '--json']);
    expect(run.status).toBe(1);
    expect((JSON.parse(run.stdout) as { error: { code: string } }).error.code).toBe('SEAL_CHANGED_MEANWHILE');
    expect(status().versions.map(({ version, state }) => [version, state])).toEqual([
      ['1', 'enabled'],
      ['2', 'enabled'],
    ]);
  });

  test('a note that nobody can read stops it; a file that nobody can read stops the end of versions alone', () => {
    const note = join(place.home, 'keys');
    const broken = join(place.home, 'envelopes', '0190b5a0-0000-7000-8000-00000000dead.keys.json');
    writeFileSync(broken, 'x');
    const runs = [1, 2].map(() => place.run(['keys', 'rotate', '--disable-old', '--json']));
    const results = runs.map(({ stdout }) => JSON.parse(stdout) as RotateResult);
    expect(results.map(({ to, isResumed, disabled }) => [to, isResumed, disabled])).toEqual([
      ['2', false, []],
      ['3', false, []],
    ]);
    rmSync(broken);
    expect(readdirSync(note).filter((name) => name.startsWith('rotation.'))).toEqual([]);
    const { keyRef } = status();
    const name = createHash('sha256').update(`local\0${keyRef}`).digest('hex').slice(0, 16);
    writeFileSync(join(note, `rotation.${name}.json`), '{"v":1}');
    expect(codeOf(['keys', 'rotate'])).toBe('ROTATION_JOURNAL_MALFORMED');
  });

  test('old versions are not ended while something that the ledger knows may hang on them', () => {
    const elsewhere = join(place.folder, 'elsewhere');
    mkdirSync(elsewhere);
    // A folder without envelopes looks as if all were moved.
    expect(codeOf(['keys', 'rotate', '--disable-old', '--envelopes', join(place.folder, 'nowhere')])).toBe(
      'SOURCE_NOT_FOUND',
    );
    expect(codeOf(['keys', 'rotate', '--disable-old', '--envelopes', elsewhere])).toBe('KEY_STILL_NEEDED');
    place.json(['seal', 'mlp.onnx', '--out', 'sealed/other.seal']);
    const [first] = readdirSync(join(place.home, 'envelopes'));
    renameSync(join(place.home, 'envelopes', first), join(elsewhere, first));
    const run = place.run(['keys', 'rewrap', '--disable-old', '--json']);
    expect(JSON.parse(run.stdout)).toMatchObject({
      error: { code: 'KEY_STILL_NEEDED', fields: { seals: [first.replace('.keys.json', '')], count: 1 } },
    });
    expect(place.run(['open', 'sealed/mlp.seal', '--envelope', join(elsewhere, first), '--out', 'a']).status).toBe(0);
    renameSync(join(elsewhere, first), join(place.home, 'envelopes', first));
    expect(place.json<MoveResult>(['keys', 'rewrap', '--disable-old'])).toMatchObject({ disabled: ['1'] });
  });

  test('--accept-loss ends them all the same', () => {
    const [only] = readdirSync(join(place.home, 'envelopes'));
    place.json(['seal', 'mlp.onnx', '--out', 'sealed/other.seal']);
    rmSync(join(place.home, 'envelopes', only));
    expect(codeOf(['keys', 'rotate', '--disable-old'])).toBe('KEY_STILL_NEEDED');
    const args = ['keys', 'rewrap', '--disable-old', '--accept-loss'];
    expect(place.json<MoveResult>(args)).toMatchObject({ disabled: ['1'] });
  });
});

describe('keys rewrap', () => {
  test('after a rotation elsewhere it moves what is old, and nothing twice', async () => {
    await (await openHomeKey(place)).rotate!();
    expect(place.json<MoveResult>(['keys', 'rewrap'])).toMatchObject({ to: '2', rewrapped: 1, kept: 0, disabled: [] });
    const again = place.json<MoveResult>(['keys', 'rewrap', '--disable-old']);
    expect(again).toMatchObject({ rewrapped: 0, kept: 1, disabled: ['1'] });
  });

  test('to another key: the old one opens nothing any more, the new one does', () => {
    const other = `local:${join(place.folder, 'vault/other.kek.json')}`;
    mkdirSync(join(place.folder, 'vault'));
    place.json(['seal', 'mlp.onnx', '--key', other, '--out', 'sealed/other.seal']);
    place.json(['keys', 'rewrap', '--to', other]);
    expect(place.run(['open', 'sealed/mlp.seal', '--out', 'a']).status).toBe(5);
    expect(place.run(['open', 'sealed/mlp.seal', '--key', other, '--out', 'b']).status).toBe(0);
    expect(status('--key', other).versions).toMatchObject([{ version: '1', wrappedKeys: 2 }]);
  });
});

describe('keys add', () => {
  test('another key opens, too; the first one still does; run again it adds nothing', () => {
    const other = `local:${join(place.folder, 'vault/other.kek.json')}`;
    mkdirSync(join(place.folder, 'vault'));
    place.json(['seal', 'mlp.onnx', '--key', other, '--out', 'sealed/other.seal']);
    const run = place.run(['keys', 'add', '--to', other, '--json']);
    expect(JSON.parse(run.stdout)).toEqual({ added: 1, kept: 1, faults: [] });
    for (const [index, key] of [[], ['--key', other]].entries()) {
      expect(place.run(['open', 'sealed/mlp.seal', ...key, '--out', `o${String(index)}`]).status).toBe(0);
    }
    expect(place.json<{ added: number }>(['keys', 'add', '--to', other]).added).toBe(0);
    expect(entries().filter(({ type }) => type === 'recipient-added')).toHaveLength(1);
  });

  test('a break-glass key needs its public half alone, and is given once', () => {
    const recipient = 'age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg';
    expect(place.json<{ added: number }>(['keys', 'add', '--to', `age:${recipient}`]).added).toBe(1);
    expect(place.run(['open', 'sealed/mlp.seal', '--out', 'opened']).status).toBe(0);
    expect(place.json<{ added: number }>(['keys', 'add', '--to', `age:${recipient}`]).added).toBe(0);
  });
});

describe('a key that is given to sealed models later', () => {
  const beside = (): string => `local:${join(place.folder, 'sealed/keys/other.kek.json')}`;

  test.each(['rewrap', 'add'])('keys %s refuses one beside the sealed file, before it is opened or made', (verb) => {
    const before = entries().length;
    expect(codeOf(['keys', verb, '--to', beside()])).toBe('KEY_NOT_APART');
    expect(readdirSync(join(place.folder, 'sealed'))).toEqual(['mlp.seal']);
    expect(entries()).toHaveLength(before);
    // Elsewhere it is only missing.
    expect(codeOf(['keys', verb, '--to', `local:${join(place.folder, 'vault/other.kek.json')}`])).toBe(
      'KEY_STORE_MISSING',
    );
  });

  test('what was sealed by "protect", or elsewhere and is named with --seal, counts as well', () => {
    const out = join(place.folder, 'release');
    place.json(['protect', 'mlp.onnx', '--seal-only', '--no-mark', '--out', out]);
    const [sealed] = readdirSync(out).filter((name) => name.endsWith('.seal'));
    expect(codeOf(['keys', 'add', '--to', `local:${join(out, 'other.kek.json')}`])).toBe('KEY_NOT_APART');
    const moved = join(place.folder, 'moved');
    mkdirSync(moved);
    renameSync(join(out, sealed), join(moved, sealed));
    const to = `local:${join(moved, 'other.kek.json')}`;
    expect(codeOf(['keys', 'add', '--to', to])).toBe('KEY_STORE_MISSING');
    for (const verb of ['add', 'rewrap']) {
      expect(codeOf(['keys', verb, '--to', to, '--seal', join(moved, sealed)])).toBe('KEY_NOT_APART');
    }
  });

  test('a move shows named sealed files unchanged, and ends no version', () => {
    const other = `local:${join(place.folder, 'vault/other.kek.json')}`;
    mkdirSync(join(place.folder, 'vault'));
    place.json(['seal', 'mlp.onnx', '--key', other, '--out', 'else/other.seal']);
    const args = ['keys', 'rewrap', '--to', other];
    expect(codeOf([...args, '--disable-old'])).toBe('CLI_USAGE');
    const moved = place.json<MoveResult>([...args, '--seal', 'sealed/mlp.seal']);
    expect(moved).toMatchObject({ rewrapped: 1, seals: [{ file: 'mlp.seal', isUnchanged: true, isAsRecorded: true }] });
  });
});

describe('keys status', () => {
  test('tells age and date, and fails a job when the key is not as expected', () => {
    const { age, standing, envelopes, others } = status();
    expect(age).toMatchObject({ state: 'fresh', ageDays: 0 });
    expect({ standing, envelopes, others }).toEqual({ standing: 'same machine: for trial', envelopes: 1, others: 0 });
    expect(place.run(['keys', 'status', '--expect', 'fresh']).status).toBe(0);
    expect(place.run(['keys', 'status', '--expect', 'due']).status).toBe(1);
  });

  test('a key that is due is said to be, with what to do', () => {
    const path = join(place.home, 'keys/model.kek.json');
    const file = JSON.parse(readFileSync(path, 'utf8')) as { versions: { createdAt: string }[] };
    file.versions[0].createdAt = new Date(Date.now() - 90 * 86_400_000 - 60_000).toISOString();
    writeFileSync(path, JSON.stringify(file), { mode: 0o600 });
    const [told, text] = place.runAll([
      ['keys', 'status', '--json', '--quiet'],
      ['keys', 'status'],
    ]);
    expect(JSON.parse(told.stdout)).toMatchObject({ age: { state: 'due', ageDays: 90 } });
    expect(text.stdout).toContain('to be rotated now: modelward keys rotate');
  });
});
