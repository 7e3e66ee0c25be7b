import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { builtPath, describeWithBuilt } from '../../../test/built.ts';
import { toHex } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { createSpoolLog, GATEWAY_LOG_AREA, type LogTables, verifyLog } from '../../gateway/index.ts';
import type { LogRow } from '../../gateway/ports.ts';
import { openDatabase } from '../database/index.ts';
import { openSpoolFolder } from '../request-spool/index.ts';
import { systemPause } from '../system/index.ts';
import { startLogThread } from './index.ts';

const ENTRY = 'cli/log-writer/compose.js';
const { privateKey: signingKey, publicKey } = generateKeyPairSync('ed25519');
const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
const keys = new Map([[toHex(sha256(spki)), spki]]);

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
    const left = createSpoolLog({ stream: 'dead', folder: openSpoolFolder(join(root, 'dead')), movedBytes: () => 0 });
    for (let n = 0; n < 700; n++) left.append(toRow(n));
    const [told, checkpoints]: string[][] = [[], []];
    const thread = await startLogThread(toOptions('mine', told, checkpoints));
    const folder = openSpoolFolder(join(root, 'mine'));
    const log = createSpoolLog({ stream: 'mine', folder, movedBytes: () => thread.movedBytes });
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
    expect(thread.movedBytes).toBeGreaterThan(900 * 100);
  });

  test('leaves the folder of a process that lives alone', async () => {
    const [first, second] = [await startLogThread(toOptions('a', [])), await startLogThread(toOptions('b', []))];
    const log = createSpoolLog({ stream: 'a', folder: openSpoolFolder(join(root, 'a')), movedBytes: () => 0 });
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
    const log = createSpoolLog({ stream: 'a', folder: openSpoolFolder(join(root, 'a')), movedBytes: () => 0 });
    log.append(toRow(0));
    await first.end(60_000);
    // As after the checkpoint of its last row, and before its end.
    mkdirSync(join(root, 'a'));
    openSpoolFolder(join(root, 'a')).create('000000000000.spool').close();
    mkdirSync(join(root, 'young'));
    const checkpoints: string[] = [];
    const second = await startLogThread(toOptions('b', [], checkpoints));
    await second.end(60_000);
    expect(checkpoints).toEqual(expect.arrayContaining(['a 0', 'b 0']));
    expect(readdirSync(root).filter((name) => !name.startsWith('log.db'))).toEqual(['young']);
  });

  test('a database that cannot be opened is told before anything is served', async () => {
    const options = { ...toOptions('mine', []), database: { kind: 'sqlite', path: join(root, 'none', 'log.db') } };
    await expect(startLogThread(options)).rejects.toMatchObject({ code: 'GATEWAY_LOG_FAILED' });
  });
});
