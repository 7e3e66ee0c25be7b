/** A log of requests in a home, with a checkpoint in the ledger, and answers as they were sealed for a caller. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabase } from '../../src/adapters/database/index.ts';
import { openSpoolFolder } from '../../src/adapters/request-spool/index.ts';
import { systemPause } from '../../src/adapters/system/index.ts';
import { composeServices } from '../../src/cli/compose.ts';
import { createCleanups } from '../../src/cli/ui/interrupt.ts';
import { utf8 } from '../../src/core/bytes.ts';
import type { Database } from '../../src/core/database.ts';
import { sha256 } from '../../src/core/hash.ts';
import { silentProgress } from '../../src/core/ports.ts';
import {
  createAnswerSealer,
  createSpoolLog,
  GATEWAY_LOG_AREA,
  type LogTables,
  openLogWriter,
} from '../../src/gateway/index.ts';
import type { LogPlace, LogRow, Principal } from '../../src/gateway/ports.ts';
import { createLogAnchor, type GatewayKey, openGatewayKey } from '../../src/workflows/gateway/index.ts';
import type { Services } from '../../src/workflows/services.ts';
import { openSession, type Session } from '../../src/workflows/session.ts';

/** Of the log: no row of a test is on another day than the rest. */
const NOON_MS = Date.UTC(2026, 0, 1, 12);

export const REQUEST_BODY = '{"inputs":[]}';
export const ANSWER_BODY = '{"outputs":[]}';
export const REQUEST_PATH = '/v2/models/digits/infer';

/** Row `n` of today; each has a request id of its own. */
function toRequestRow(n: number, nowMs: number): LogRow {
  return {
    ...{ timeMs: nowMs + n, requestId: `request-${n}`, principalId: 'key:k_A', tenant: n % 2 === 0 ? 'acme' : 'other' },
    ...{ model: 'digits', version: '1', status: 200, code: null, isInputKeyed: false },
    protocol: 'oip',
    inputHash: sha256(utf8(n === 3 ? REQUEST_BODY : `body ${n}`)),
    ...{ tensorHash: null, answerHash: sha256(utf8(ANSWER_BODY)) },
    ...{ items: 1, inputBytes: 10, answerBytes: ANSWER_BODY.length, durationUs: 250 },
  };
}

export function toTestServices(home: string): Services {
  const services = composeServices({ home, progress: silentProgress, cleanups: createCleanups() });
  return { ...services, clock: { nowMs: () => NOON_MS } };
}

export interface HomeLog {
  readonly session: Session;
  readonly key: GatewayKey;
  readonly database: Database<LogTables>;
  readonly places: readonly LogPlace[];
  readonly nowMs: number;
  /** Five rows more, and a checkpoint. */
  grow(): Promise<void>;
  close(): Promise<void>;
}

/** Twenty rows from `first` on, a checkpoint behind ten and one at the end, both in the ledger. */
export async function makeHomeLog(home: string, first = 0): Promise<HomeLog> {
  const services = toTestServices(home);
  const { storage, home: paths, random, clock } = services;
  const session = openSession(services, 'acme');
  const { recorder } = session;
  const key = await openGatewayKey({ storage, home: paths, random, recorder });
  const address = { kind: 'sqlite', path: join(home, 'gateway', 'log.db') } as const;
  const options = { address, area: GATEWAY_LOG_AREA, pause: systemPause, passfile: null };
  const database = await openDatabase<LogTables>(options);
  const spool = join(home, 'gateway', 'spool');
  mkdirSync(spool, { recursive: true });
  const folder = openSpoolFolder(join(spool, 'stream0'));
  const log = createSpoolLog({ stream: 'stream0', folder, movedTo: () => null });
  const writer = await openLogWriter({
    ...{ database, stream: 'stream0', folder, signer: key.signer, clock },
    onMoved: () => undefined,
  });
  const anchor = createLogAnchor(recorder);
  const nowMs = clock.nowMs();
  const places: LogPlace[] = [];
  const append = async (rows: number, isLast: boolean): Promise<void> => {
    for (let n = 0; n < rows; n += 1) places.push(log.append(toRequestRow(first + places.length, nowMs)));
    while ((await writer.move()) > 0);
    const { checkpoint, body } = (await writer.checkpoint(isLast))!;
    anchor.note({ stream: 'stream0', seq: checkpoint.seq, hash: toHash(body) });
  };
  for (const isLast of [false, true]) {
    await append(10, isLast);
    await anchor.flush();
  }
  const close = async (): Promise<void> => {
    log.close();
    await database.close();
    session.close();
  };
  return { session, key, database, places, nowMs, grow: () => append(5, false), close };
}

function toHash(body: string): string {
  return Buffer.from(sha256(utf8(body))).toString('hex');
}

/** What `curl -i` would have written of the answer to row 3. */
export function toCurlOutput({ key, places, nowMs }: HomeLog, principal: Principal, body = ANSWER_BODY): string {
  const { timeMs, requestId, inputHash } = toRequestRow(3, nowMs);
  const sealer = createAnswerSealer({ signer: key.signer, isAlwaysSigned: false });
  const request = { principal, method: 'POST', path: REQUEST_PATH, requestId, inputSha256: inputHash, timeMs };
  const bodySha256 = sha256(utf8(ANSWER_BODY));
  const marks = sealer.toHeaders(request, { status: 200, bodySha256, place: places[3] });
  const lines = [['content-type', 'application/json'], ['x-request-id', requestId], ...marks];
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n${head}\r\n${body}`;
}
