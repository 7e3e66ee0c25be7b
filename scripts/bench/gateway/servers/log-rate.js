// Rows a second: into the spool, as the thread that answers does it, and from there into the database. `FOLDER ROWS`
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = new URL('../../../../dist/', import.meta.url);
const load = (path) => import(new URL(path, dist).href);
const [{ startLogThread }, { openSpoolFolder }, { createSpoolLog }] = await Promise.all([
  load('adapters/log-thread/index.js'),
  load('adapters/request-spool/index.js'),
  load('gateway/index.js'),
]);
const [folder, rows] = process.argv.slice(2);
const [stream, spoolRoot] = ['bench', join(folder, 'spool')];
mkdirSync(spoolRoot, { recursive: true });

const thread = await startLogThread({
  ...{ scriptPath: fileURLToPath(new URL('cli/log-writer/compose.js', dist)), spoolRoot, stream, passfile: null },
  database: { kind: 'sqlite', path: join(folder, 'log.db') },
  signingKey: generateKeyPairSync('ed25519').privateKey,
  onCheckpoint: () => undefined,
  onTrouble: (code) => console.error(code),
});
const log = createSpoolLog({
  stream,
  folder: openSpoolFolder(join(spoolRoot, stream)),
  movedTo: () => thread.movedTo,
});
const row = {
  ...{ requestId: '0197c000-0000-7000-8000-000000000001', principalId: 'key:k_0123456789abcdef', tenant: 'default' },
  ...{ model: 'bench', version: '', protocol: 'oip', status: 200, code: null, isInputKeyed: false, tensorHash: null },
  ...{ items: 1, inputBytes: 70, answerBytes: 120, durationUs: 400 },
};
const hashes = randomBytes(32 * 1024);
const startMs = performance.now();
for (let at = 0; at < Number(rows); at++) {
  const hash = hashes.subarray(at % 512, (at % 512) + 32);
  log.append({ ...row, timeMs: Date.now(), inputHash: hash, answerHash: hash });
}
const spoolMs = performance.now() - startMs;
log.close();
await thread.end(600_000);
const databaseMs = performance.now() - startMs;
console.log(JSON.stringify({ spoolRps: (rows / spoolMs) * 1000, databaseRps: (rows / databaseMs) * 1000 }));
