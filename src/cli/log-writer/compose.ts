/** Entry of the thread that moves the log of requests into its database; the host starts the built file. */
import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type DatabaseAddress, openDatabase } from '../../adapters/database/index.ts';
import { createLedgerLock } from '../../adapters/ledger-lock/index.ts';
import { type LogThreadServices, serveLogThread } from '../../adapters/log-thread/index.ts';
import { openSpoolFolder } from '../../adapters/request-spool/index.ts';
import { giveWay, keepYoungSmall, systemClock, systemPause } from '../../adapters/system/index.ts';
import { toHex } from '../../core/bytes.ts';
import type { Database } from '../../core/database.ts';
import { DatabaseError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
// By file: this thread has its own copy of whatever it loads.
import { runLogWriter, type RunLogWriterOptions } from '../../gateway/log/run.ts';
import type { SpoolMark } from '../../gateway/log/spool.ts';
import { GATEWAY_LOG_AREA, type LogTables } from '../../gateway/log/tables.ts';
import { openLogWriter } from '../../gateway/log/writer.ts';
import type { GatewaySigner } from '../../gateway/ports.ts';
import type { LedgerLock } from '../../ledger/ports.ts';

keepYoungSmall();
giveWay();

serveLogThread(async (services) => {
  const { spoolRoot, stream, database: address, passfile, signingKey, isAgain } = services.data;
  const lock = createLedgerLock({ isOwnGone: isAgain });
  const folder = join(spoolRoot, stream);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const held = await lock.acquire({ folder, waitMs: 0 });
  const database = await openDatabase<LogTables>({
    address: address as DatabaseAddress,
    ...{ area: GATEWAY_LOG_AREA, pause: systemPause, passfile },
  });
  const log = { services, database, signer: toSigner(signingKey), lock, refused: new Set<string>() };
  services.tell({ kind: 'ready' });
  const mine = run(log, stream, { ending: services.ending, isOrderly: true });
  const [isWhole] = await Promise.all([mine, moveLeftovers(log)]);
  held.release();
  clear(log, stream, isWhole);
  await database.close();
});

interface Log {
  readonly services: LogThreadServices;
  readonly database: Database<LogTables>;
  readonly signer: GatewaySigner;
  readonly lock: LedgerLock;
  /** Names of what could neither be read nor put aside. */
  readonly refused: Set<string>;
}

/** How often what others left is looked for: a process of this home may end without another one that begins. */
const LOOK_MS = 60_000;
/** A folder without rows is let be for so long: its process may be about to lock it. */
const YOUNG_MS = 3_600_000;

/** Behind the name of what could not be read. */
const ASIDE = '.unreadable';
/** Of what others left: the next look is soon. */
const TRIES = 3;

/** What processes left that are gone: whose lock can be had. Never rejects: what is left there stays for the next look. */
async function moveLeftovers(log: Log): Promise<void> {
  const { ending, tell } = log.services;
  do {
    await moveEach(log).catch(() => {
      tell({ kind: 'trouble', code: 'GATEWAY_LOG_FAILED' });
    });
    await systemPause(LOOK_MS, ending);
  } while (!ending.aborted);
}

async function moveEach(log: Log): Promise<void> {
  const { spoolRoot, stream } = log.services.data;
  const isLeft = (name: string): boolean => name !== stream && !name.endsWith(ASIDE) && !log.refused.has(name);
  for (const name of readdirSync(spoolRoot).filter(isLeft)) await moveLeftover(log, name);
}

async function moveLeftover(log: Log, name: string): Promise<void> {
  const folder = join(log.services.data.spoolRoot, name);
  if (isYoung(folder)) return;
  const held = await log.lock.acquire({ folder, waitMs: 0 }).catch(() => null);
  if (held === null) return;
  try {
    const isWhole = await run(log, name, { ending: AbortSignal.abort(), isOrderly: false, triesMax: TRIES });
    held.release();
    clear(log, name, isWhole);
  } catch (error) {
    held.release();
    // The database's fault is tried again at the next look; one of the files would stay.
    if (!(error instanceof DatabaseError)) putAside(log, name);
  }
}

/** Of a stream that has ended. */
function clear(log: Log, name: string, isWhole: boolean): void {
  if (isWhole) rmSync(join(log.services.data.spoolRoot, name), { recursive: true, force: true });
  else putAside(log, name);
}

/** Rows stay as they are, for a person: under their old name they are moved from where their stream ended. */
function putAside({ services: { data, tell }, refused }: Log, name: string): void {
  try {
    renameSync(join(data.spoolRoot, name), join(data.spoolRoot, `${name}${ASIDE}`));
  } catch {
    refused.add(name);
  }
  tell({ kind: 'trouble', code: 'GATEWAY_LOG_UNREADABLE' });
  tell({ kind: 'aside' });
}

/** Its own process makes the folder before it locks it, and writes after that. Another process may take it away meanwhile. */
function isYoung(folder: string): boolean {
  try {
    if (readdirSync(folder).some((name) => name.endsWith('.spool'))) return false;
    return systemClock.nowMs() - statSync(folder).mtimeMs < YOUNG_MS;
  } catch {
    return true;
  }
}

function run(
  { services: { data, tell }, database, signer }: Log,
  stream: string,
  terms: Pick<RunLogWriterOptions, 'ending' | 'isOrderly' | 'triesMax'>,
): Promise<boolean> {
  const folder = openSpoolFolder(join(data.spoolRoot, stream));
  const onMoved = (mark: SpoolMark): void => {
    if (stream === data.stream) tell({ kind: 'moved', ...mark });
  };
  return runLogWriter({
    open: () => openLogWriter({ database, stream, folder, signer, clock: systemClock, onMoved }),
    ...terms,
    ...{ clock: systemClock, pause: systemPause },
    onCheckpoint: ({ seq, hash }) => {
      tell({ kind: 'checkpoint', stream, seq, hash });
    },
    onTrouble: (code) => {
      tell({ kind: 'trouble', code });
    },
  });
}

function toSigner(key: KeyObject): GatewaySigner {
  const publicKey = new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }));
  return { keyId: toHex(sha256(publicKey)), publicKey, sign: (bytes) => new Uint8Array(sign(null, bytes, key)) };
}
