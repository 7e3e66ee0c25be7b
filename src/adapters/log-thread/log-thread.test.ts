import { generateKeyPairSync } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { builtPath, describeWithBuilt } from '../../../test/built.ts';
import { toHex } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { createSpoolLog, GATEWAY_LOG_AREA, type LogTables, verifyLog } from '../../gateway/index.ts';
import type { LogRow } from '../../gateway/ports.ts';
import { openDatabase } from '../database/index.ts';
import { leaveStream, openSpoolFolder } from '../request-spool/index.ts';
import { systemPause } from '../system/index.ts';
import { startLogThread } from './index.ts';

const ENTRY = 'cli/log-writer/compose.js';
const { privateKey: signingKey, publicKey } = generateKeyPairSync('ed25519');
const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
const keys = new Map([[toHex(sha256(spki)), spki]]);

const LONG = { timeout: 60_000, interval: 10 };

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'log-thread-'));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

const toRow = (n: number): LogRow => ({
  timeMs: Date.UTC(2026, 10, 21) + n,
  requestId: `r-${n}`,
  ...{ principalId: 'key:k_1', tenant: 't', model: 'm', version: '1', protocol: 'oip', status: 200, code: null },
  ...{ isInputKeyed: false, inputHash: sha256(Uint8Array.of(n % 256)), tensorHash: null, answerHash: null },
  ...{ items: 1, inputBytes: 1, answerBytes: 1, durationUs: 1 },
});
const toOptions = (stream: string, told: string[], checkpoints: string[] = []) => ({
  scriptPath: builtPath(ENTRY),
  spoolRoot: root,
  stream,
  database: { kind: 'sqlite', path: join(root, 'log.db') },
  passfile: null,
  signingKey,
  onCheckpoint: ({ stream: name, seq }: { stream: string; seq: number }) => checkpoints.push(`${name} ${seq}`),
  onTrouble: (code: string) => told.push(code),
});

/** A thread that dies once there is the file `poison`. */
function makeMortal(): { readonly poison: string; readonly scriptPath: string } {
  const [poison, scriptPath] = [join(root, 'poison'), join(root, 'mortal.mjs')];
  const lines = [
    `import { existsSync, rmSync } from 'node:fs';`,
    `import ${JSON.stringify(pathToFileURL(builtPath(ENTRY)).href)};`,
    `const die = () => { rmSync(${JSON.stringify(poison)}); throw new Error('killed'); };`,
    `setInterval(() => existsSync(${JSON.stringify(poison)}) && die(), 5).unref();`,
  ];
  writeFileSync(scriptPath, lines.join('\n'));
  return { poison, scriptPath };
}

async function verify() {
  const address = { kind: 'sqlite', path: join(root, 'log.db') } as const;
  const database = await openDatabase<LogTables>({
    address,
    area: GATEWAY_LOG_AREA,
    pause: systemPause,
    passfile: null,
  });
  try {
    return await verifyLog({ database, keys, anchors: new Map() });
  } finally {
    await database.close();
  }
}

describeWithBuilt('the thread of the log', ENTRY, () => {
  test('moves rows while they come, takes over what a dead process left, and ends with all of them', async () => {
    mkdirSync(join(root, 'dead'));
    const left = createSpoolLog({ stream: 'dead', folder: openSpoolFolder(join(root, 'dead')), movedTo: () => null });
    for (let n = 0; n < 700; n++) left.append(toRow(n));
    const [told, checkpoints]: string[][] = [[], []];
    const thread = await startLogThread(toOptions('mine', told, checkpoints));
    const folder = openSpoolFolder(join(root, 'mine'));
    const log = createSpoolLog({ stream: 'mine', folder, movedTo: () => thread.movedTo });
    for (let n = 0; n < 900; n++) log.append(toRow(n));
    await thread.end(60_000);
    const { streams, faults } = await verify();
    expect([faults, told]).toEqual([[], []]);
    expect(streams.map(({ stream, rows, covered, isEnded }) => [stream, rows, covered, isEnded])).toEqual([
      ['dead', 700, 700, false],
      ['mine', 900, 900, true],
    ]);
    expect(checkpoints).toEqual(expect.arrayContaining(['dead 0', 'mine 0']));
    expect(readdirSync(root).filter((name) => !name.startsWith('log.db'))).toEqual([]);
    expect([log.count, log.waitingBytes, thread.setAside]).toEqual([900, 0, 0]);
  });

  test('leaves the folder of a process that lives alone', async () => {
    const [first, second] = [await startLogThread(toOptions('a', [])), await startLogThread(toOptions('b', []))];
    const log = createSpoolLog({ stream: 'a', folder: openSpoolFolder(join(root, 'a')), movedTo: () => null });
    await second.end(60_000);
    expect(existsSync(join(root, 'a'))).toBe(true);
    log.append(toRow(0));
    await first.end(60_000);
    expect((await verify()).streams.map(({ stream, rows }) => [stream, rows])).toEqual([
      ['a', 1],
      ['b', 0],
    ]);
  });

  test('tells the newest checkpoint of a dead process, which may not have come into the ledger, and lets a new folder be', async () => {
    const first = await startLogThread(toOptions('a', []));
    const log = createSpoolLog({ stream: 'a', folder: openSpoolFolder(join(root, 'a')), movedTo: () => null });
    log.append(toRow(0));
    await first.end(60_000);
    // As after the checkpoint of its last row, and before its end.
    leaveStream(root, 'a');
    leaveStream(root, 'a');
    mkdirSync(join(root, 'young'));
    const checkpoints: string[] = [];
    const second = await startLogThread(toOptions('b', [], checkpoints));
    await second.end(60_000);
    expect(checkpoints).toEqual(expect.arrayContaining(['a 0', 'b 0']));
    expect(readdirSync(root).filter((name) => !name.startsWith('log.db'))).toEqual(['young']);
  });

  test('that dies is followed by another, which goes on where it was: no row is lost, none is refused', async () => {
    const { poison, scriptPath } = makeMortal();
    const told: string[] = [];
    const spoolRoot = join(root, 'spool');
    mkdirSync(spoolRoot);
    const thread = await startLogThread({ ...toOptions('mine', told), spoolRoot, scriptPath });
    const folder = openSpoolFolder(join(spoolRoot, 'mine'));
    const log = createSpoolLog({ stream: 'mine', folder, movedTo: () => thread.movedTo });
    for (let death = 0; death < 3; death++) {
      for (let n = 0; n < 100; n++) log.append(toRow(death * 200 + n));
      writeFileSync(poison, '');
      await vi.waitUntil(() => told.length > death, LONG);
      for (let n = 100; n < 200; n++) log.append(toRow(death * 200 + n));
      await vi.waitUntil(() => log.waitingBytes === 0, LONG);
    }
    await thread.end(60_000);
    expect(new Set(told)).toEqual(new Set(['GATEWAY_LOG_FAILED']));
    const { streams, faults } = await verify();
    expect([faults, streams.map(({ rows, covered, isEnded }) => [rows, covered, isEnded])]).toEqual([
      [],
      [[600, 600, true]],
    ]);
    expect(readdirSync(spoolRoot)).toEqual([]);
  });

  test('that dies is followed by another also when the system has no thread to give at once', async () => {
    const { poison, scriptPath } = makeMortal();
    const told: string[] = [];
    const spoolRoot = join(root, 'spool');
    mkdirSync(spoolRoot);
    const options = { ...toOptions('mine', told), spoolRoot };
    let starts = 0;
    // Node throws for such a path where it throws for a lack of threads.
    const findPath = () => (++starts === 2 ? 'neither absolute nor relative' : scriptPath);
    const thread = await startLogThread(
      Object.defineProperty(options, 'scriptPath', { get: findPath, enumerable: true }),
    );
    const log = createSpoolLog({
      stream: 'mine',
      folder: openSpoolFolder(join(spoolRoot, 'mine')),
      movedTo: () => thread.movedTo,
    });
    writeFileSync(poison, '');
    await vi.waitUntil(() => starts === 3, LONG);
    log.append(toRow(0));
    await vi.waitUntil(() => log.waitingBytes === 0, LONG);
    await thread.end(60_000);
    expect(told).toEqual(['GATEWAY_LOG_FAILED', 'GATEWAY_LOG_FAILED']);
    expect((await verify()).streams.map(({ rows }) => rows)).toEqual([1]);
  });

  test('puts aside what a dead process left and nobody can read, tells it once, and goes on with the rest', async () => {
    for (const name of ['a', 'c']) {
      mkdirSync(join(root, name));
      const left = createSpoolLog({ stream: name, folder: openSpoolFolder(join(root, name)), movedTo: () => null });
      left.append(toRow(0));
    }
    mkdirSync(join(root, 'b', '000000000000.spool'), { recursive: true });
    const [file] = readdirSync(join(root, 'c'));
    appendFileSync(join(root, 'c', file), Buffer.alloc(100));
    const told: string[] = [];
    const thread = await startLogThread(toOptions('mine', told));
    await vi.waitUntil(() => thread.setAside === 2, LONG);
    await thread.end(60_000);
    expect(told.filter((code) => code === 'GATEWAY_LOG_UNREADABLE')).toHaveLength(2);
    const { streams } = await verify();
    expect(streams.map(({ stream, rows, covered }) => [stream, rows, covered])).toEqual([
      ['a', 1, 1],
      ['b', 0, 0],
      ['c', 1, 1],
      ['mine', 0, 0],
    ]);
    expect(readdirSync(root).filter((name) => !name.startsWith('log.db'))).toEqual(['b.unreadable', 'c.unreadable']);
  });

  test('a database that cannot be opened is told before anything is served', async () => {
    const options = { ...toOptions('mine', []), database: { kind: 'sqlite', path: join(root, 'none', 'log.db') } };
    await expect(startLogThread(options)).rejects.toMatchObject({ code: 'GATEWAY_LOG_FAILED' });
  });
});
