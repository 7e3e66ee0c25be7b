/** The gateway's key and its log in a home: stated in the ledger, verified against it, proven to others. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { ModelwardError, SourceError } from '../../src/core/errors.ts';
import type { LogFault } from '../../src/gateway/index.ts';
import {
  checkResponse,
  createLogAnchor,
  exportRequests,
  findRequests,
  openGatewayKey,
  proveRequest,
  readLogStatements,
  readPublicKey,
  readWholeResponse,
  retainRequests,
  toPublicPem,
  verifyRequestLog,
} from '../../src/workflows/gateway/index.ts';
import { toPrincipal } from './integrity-cases.ts';
import { type HomeLog, makeHomeLog, REQUEST_BODY, REQUEST_PATH, toCurlOutput, toTestServices } from './sealed-log.ts';

let home: string;
let log: HomeLog;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'gateway-home-'));
  log = await makeHomeLog(home);
});
afterEach(async () => {
  await log.close();
  rmSync(home, { recursive: true });
});

async function toCode(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'no error';
  } catch (error) {
    if (error instanceof ModelwardError) return error.code;
    throw error;
  }
}

const open = () => {
  const { storage, home: paths, random } = toTestServices(home);
  return openGatewayKey({ storage, home: paths, random, recorder: log.session.recorder });
};

describe("the gateway's key", () => {
  test('is made once, in a file for its user alone, and stated in the ledger', async () => {
    const again = await open();
    expect(again.signer.keyId).toBe(log.key.signer.keyId);
    expect(again.leafIndex).toBe(log.key.leafIndex);
    expect(statSync(join(home, 'gateway/signing.key')).mode & 0o777).toBe(0o600);
    const entry = log.session.recorder.reader().read(log.key.leafIndex);
    expect(entry).toMatchObject({ type: 'gateway-key', subject: 'gateway', digests: { key: log.key.signer.keyId } });
    const { keys } = readLogStatements(log.session.recorder.reader());
    expect([...keys]).toEqual([[log.key.signer.keyId, log.key.signer.publicKey]]);
    expect(readPublicKey(utf8(toPublicPem(log.key.signer.publicKey)))).toEqual(log.key.signer.publicKey);
  });

  test('a process that was killed before its note states the key once more', async () => {
    rmSync(join(home, 'gateway/signing.json'));
    const again = await open();
    expect(again.signer.keyId).toBe(log.key.signer.keyId);
    expect(again.leafIndex).toBeGreaterThan(log.key.leafIndex);
  });

  test.each([
    ['signing.key', 'no key'],
    ['signing.json', '{'],
    ['signing.json', `{"v":1,"keyId":"${'0'.repeat(64)}","leafIndex":0}`],
    ['signing.json', '{"v":1,"keyId":"KEY","leafIndex":1000}'],
    ['signing.json', '{"v":1,"keyId":"KEY","leafIndex":1}'],
  ])('a %s that was changed to %s is refused', async (file, text) => {
    const path = join(home, 'gateway', file);
    writeFileSync(path, text.replace('KEY', log.key.signer.keyId));
    expect(await toCode(open)).toBe('GATEWAY_KEY_DAMAGED');
  });
});

describe('checkpoints in the ledger', () => {
  test('the newest of each stream is written, once; what could not be written is written later', async () => {
    const written: unknown[] = [];
    let isAway = true;
    const anchor = createLogAnchor({
      actor: 'acme',
      record: (entries) => {
        if (isAway) throw new SourceError('WRITE_FAILED');
        written.push(...entries.map(({ subject, digests, detail }) => ({ subject, digests, detail })));
        return Promise.resolve({ firstIndex: 0, size: 0 } as never);
      },
    });
    anchor.note({ stream: 'a', seq: 1, hash: '1'.repeat(64) });
    anchor.note({ stream: 'a', seq: 3, hash: '3'.repeat(64) });
    anchor.note({ stream: 'a', seq: 2, hash: '2'.repeat(64) });
    anchor.note({ stream: 'b', seq: 0, hash: '0'.repeat(64) });
    await expect(anchor.flush()).rejects.toThrow(SourceError);
    isAway = false;
    expect(await Promise.all([anchor.flush(), anchor.flush()])).toEqual([2, 0]);
    expect(written).toEqual([
      { subject: 'a', digests: { checkpoint: '3'.repeat(64) }, detail: { seq: 3 } },
      { subject: 'b', digests: { checkpoint: '0'.repeat(64) }, detail: { seq: 0 } },
    ]);
  });
});

const verify = () => verifyRequestLog({ database: log.database, recorder: log.session.recorder });

async function toFaults(change: (n: string) => string): Promise<LogFault['kind'][]> {
  const { rows } = await log.database.read((db) =>
    sql<{ name: string }>`select name from gateway_partitions`.execute(db),
  );
  await log.database.write((db) => sql.raw(change(rows[0].name)).execute(db));
  return (await verify()).faults.map(({ kind }) => kind);
}

describe('the log of a home', () => {
  test('is intact, covered and anchored as it was written', async () => {
    expect(await verify()).toMatchObject({
      isIntact: true,
      faults: [],
      keys: [log.key.signer.keyId],
      streams: [{ stream: 'stream0', rows: 20, covered: 20, anchored: 20, checkpoints: 2, isEnded: true }],
    });
  });

  test('a row that was changed, one that was taken out, and a checkpoint of the ledger that is gone are told', async () => {
    expect(await toFaults((name) => `update ${name} set status = 500 where place = 4`)).toContain('chain');
    expect(await toFaults((name) => `delete from ${name} where place = 7`)).toContain('gap');
    expect(await toFaults(() => 'delete from gateway_checkpoints where seq = 1')).toEqual(
      expect.arrayContaining(['anchor', 'checkpoint']),
    );
  });

  test('that a gateway goes on writing meanwhile is no finding', async () => {
    const { database, session } = log;
    for (let moment = 1; moment <= 6; moment += 1) {
      let reads = 0;
      const busy: typeof database = {
        ...database,
        read: async (work) => {
          const found = await database.read(work);
          reads += 1;
          if (reads === moment) await log.grow();
          return found;
        },
      };
      const report = await verifyRequestLog({ database: busy, recorder: session.recorder });
      expect([moment, report.faults]).toEqual([moment, []]);
    }
    expect((await verify()).streams[0].checkpoints).toBeGreaterThan(5);
  });

  test('a log that was written anew with another key is told by the ledger', async () => {
    const other = mkdtempSync(join(tmpdir(), 'gateway-other-'));
    const forged = await makeHomeLog(other, 100);
    const report = await verifyRequestLog({ database: forged.database, recorder: log.session.recorder });
    await forged.close();
    rmSync(other, { recursive: true });
    expect(new Set(report.faults.map(({ kind }) => kind))).toEqual(new Set(['checkpoint-key', 'anchor']));
    expect(report.streams[0].anchored).toBe(0);
  });

  test('is asked by caller, time and content, cut where more fit', async () => {
    const all = await findRequests(log.database, { tenant: 'acme' }, 100);
    expect(all.requests.map(({ index }) => index)).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
    expect(await findRequests(log.database, {}, 5)).toMatchObject({ isCut: true, requests: { length: 5 } });
    const since = { sinceMs: log.nowMs + 18, untilMs: log.nowMs + 19 };
    expect((await findRequests(log.database, since, 5)).requests.map(({ requestId }) => requestId)).toEqual([
      'request-18',
    ]);
    const lines: string[] = [];
    expect(await exportRequests(log.database, {}, (line) => lines.push(line))).toBe(20);
    expect(JSON.parse(lines[3])).toMatchObject({ requestId: 'request-3', stream: 'stream0', index: 3, code: null });
  });

  test('drops no day that is to be kept', async () => {
    const day = 86_400_000;
    const desk = { database: log.database, recorder: log.session.recorder };
    expect(await retainRequests(desk, { days: 1, nowMs: log.nowMs, isDryRun: false })).toEqual([]);
    const later = { days: 1, nowMs: log.nowMs + 3 * day };
    expect(await retainRequests(desk, { ...later, isDryRun: true })).toMatchObject([{ rows: 20 }]);
    expect(await retainRequests(desk, { ...later, isDryRun: false })).toMatchObject([{ rows: 20 }]);
    expect(await verify()).toMatchObject({ isIntact: true, streams: [{ rows: 0, dropped: 20 }] });
  });
});

describe('a proof of the log', () => {
  const request = { method: 'POST', path: REQUEST_PATH, body: utf8(REQUEST_BODY) };
  const time = { maxAgeMs: null };
  const toAnswer = () => readWholeResponse(utf8(toCurlOutput(log, toPrincipal())));

  test('shows to who has the public key alone what was answered', async () => {
    const proof = utf8(JSON.stringify(await proveRequest(log.database, { requestId: 'request-3' })));
    const keys = { tag: null, publicKey: log.key.signer.publicKey };
    const check = { request, answer: toAnswer(), keys, nowMs: log.nowMs, ...time };
    const report = checkResponse({ ...check, proof });
    expect(report).toMatchObject({ isVerified: true, findings: [], place: log.places[3] });
    expect(report.marks.map(({ kind, outcome }) => `${kind} ${outcome}`)).toEqual(['tag unchecked', 'proof good']);
    const without = checkResponse({ ...check, proof: null });
    expect(without.findings.map(({ code }) => code)).toEqual(['INTEGRITY_MISSING']);
  });

  test('of another row is told', async () => {
    const proof = utf8(JSON.stringify(await proveRequest(log.database, log.places[4])));
    const keys = { tag: null, publicKey: log.key.signer.publicKey };
    const report = checkResponse({ request, answer: toAnswer(), keys, nowMs: log.nowMs, ...time, proof });
    expect(report.findings.map(({ code }) => code)).toEqual(['INTEGRITY_PROOF_OTHER']);
  });

  test('there is none of a request that was not made', async () => {
    expect(await toCode(() => proveRequest(log.database, { requestId: 'request-99' }))).toBe('GATEWAY_LOG_ROW_UNKNOWN');
  });
});
