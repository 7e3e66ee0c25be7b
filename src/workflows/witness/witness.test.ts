/** Our witness asked by a client of another make, and our client at a witness of another make. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openTestLedger, testEntries, testRandom, testSigner } from '../../../test/fakes/ledger-kit.ts';
import {
  askOracle,
  describeWithWitnessOracle,
  startOracleWitness,
  type WitnessQuestion,
} from '../../../test/witness-oracle.ts';
import { openLoopbackServer } from '../../adapters/https-server/index.ts';
import { createLedgerLock } from '../../adapters/ledger-lock/index.ts';
import { systemClock } from '../../adapters/system/index.ts';
import { openWitnessLink } from '../../adapters/witness-link/index.ts';
import { toBase64, utf8 } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { LEDGER_LIMITS } from '../../core/limits/ledger.ts';
import {
  createCosigner,
  createEd25519Signer,
  encodeCosignerKey,
  encodeVerifierKey,
  type LedgerReader,
  openLedgerReader,
  signCheckpoint,
} from '../../ledger/index.ts';
import { nodeStorage } from '../../source/node-storage.ts';
import { toHome } from '../home.ts';
import { proveEntry } from '../ledger.ts';
import type { Services } from '../services.ts';
import { cosignLedger } from './cosign.ts';
import { addWitnessedLog, createHomeWitness, openHomeWitness, showWitness } from './witness.ts';

const signer = testSigner();
const logKey = encodeVerifierKey(signer);
let root: string;
let services: Services;
let closers: (() => unknown)[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'witness-'));
  closers = [];
  services = {
    storage: nodeStorage,
    home: toHome(root),
    clock: systemClock,
    random: testRandom(3),
    ledgerLock: createLedgerLock(),
  } as unknown as Services;
});
afterEach(async () => {
  for (const close of closers) await close();
  rmSync(root, { recursive: true, force: true });
});

async function grow(count: number): Promise<LedgerReader> {
  const folder = services.home.ledgerFolder;
  const ledger = await openTestLedger(nodeStorage, { folder, lock: services.ledgerLock });
  ledger.append(testEntries(count, ledger.reader().head.size));
  ledger.close();
  return openLedgerReader({ storage: nodeStorage, folder });
}

describeWithWitnessOracle('ledger and witness against transparency-dev/witness', () => {
  test('its client gets our cosignatures, which its verifier accepts in a proof file, and our refusals as its own', async () => {
    const { verifierKey } = createHomeWitness(services, 'witness.example/w1');
    addWitnessedLog(services, { verifierKeys: [logKey] });
    const witness = await openHomeWitness(services, { onTrouble: () => undefined, onFork: () => undefined });
    const limits = { ...LEDGER_LIMITS, bodyBytesMax: LEDGER_LIMITS.witnessRequestBytesMax };
    const at = { host: '127.0.0.1', port: 0, limits, handler: witness.handler, onTrouble: () => undefined };
    const server = await openLoopbackServer(at);
    closers.push(
      () => server.close(),
      () => {
        witness.close();
      },
    );
    const url = `http://127.0.0.1:${server.port}`;
    const first = await grow(5);
    const second = await grow(300);
    const toQuestion = (reader: LedgerReader, old: number, from = old): WitnessQuestion => {
      const proof = reader.consistency(from, reader.head.size).map(toBase64);
      return { kind: 'update', url, old, checkpoint: reader.checkpoint, proof };
    };
    const sign = (size: number, origin = testSigner()) =>
      signCheckpoint({ size, root: new Uint8Array(32).fill(size % 251) }, origin);
    const answers = await askOracle([
      toQuestion(first, 0),
      toQuestion(second, 0),
      toQuestion(second, 5, 4),
      toQuestion(second, 5),
      { kind: 'update', url, old: 305, checkpoint: sign(305), proof: [] },
      { kind: 'update', url, old: 306, checkpoint: sign(305), proof: [] },
      { kind: 'update', url, old: 0, checkpoint: sign(5, testSigner('unknown.example')), proof: [] },
      { kind: 'update', url, old: 305, checkpoint: second.checkpoint.replace('\n305\n', '\n306\n'), proof: [] },
    ]);
    expect(answers.map(({ error, size }) => [error ?? 'cosigned', size])).toEqual([
      ['cosigned', undefined],
      ['old size != current', 5],
      ['consistency proof invalid', undefined],
      ['cosigned', undefined],
      ['roots do not match', undefined],
      ['old size > current', undefined],
      ['unknown log', undefined],
      ['no valid signatures', undefined],
    ]);
    expect(showWitness(services).logs).toMatchObject([{ origin: signer.name, size: 305, isForked: true }]);
    const { cosignedAt } = await cosignLedger(services, { link: openWitnessLink({ url }), witnessKey: verifierKey });
    await grow(7);
    const { proof } = proveEntry(services, 123);
    const entry = toBase64(second.readBytes(123));
    const question = { kind: 'cosigned', logKey, witnessKey: verifierKey, proofFile: proof, entry };
    const [accepted, forged] = await askOracle([question, { ...question, entry: toBase64(utf8('{}')) }]);
    expect(accepted).toEqual({ size: 305, time: Date.parse(cosignedAt) / 1000 });
    expect(forged.error).toBeDefined();
  });

  test('our client at its witness: cosigned as the ledger grows, asked again from the size told, a fork refused', async () => {
    const seed = sha256(utf8('seed of a witness of another make'));
    const cosigner = createCosigner({ name: 'other.example/w2', seed });
    const witnessKey = encodeCosignerKey(cosigner);
    const [name, id] = encodeVerifierKey(createEd25519Signer({ name: cosigner.name, seed })).split('+');
    const secret = `PRIVATE+KEY+${name}+${id}+${Buffer.from([1, ...seed]).toString('base64')}`;
    const other = await startOracleWitness(logKey, secret);
    closers.push(() => {
      other.stop();
    });
    const link = openWitnessLink({ url: other.url });
    await grow(3);
    expect((await cosignLedger(services, { link, witnessKey })).size).toBe(3);
    await grow(400);
    const { size, checkpoint } = await cosignLedger(services, { link, witnessKey });
    expect(size).toBe(403);
    expect(checkpoint.trimEnd().split('\n')).toHaveLength(6);
    // As if nothing were known of it any more.
    rmSync(join(services.home.ledgerFolder, 'cosigned'), { recursive: true });
    await grow(2);
    expect((await cosignLedger(services, { link, witnessKey })).size).toBe(405);
    rmSync(services.home.ledgerFolder, { recursive: true });
    await grow(200);
    await expect(cosignLedger(services, { link, witnessKey })).rejects.toMatchObject({
      code: 'WITNESS_CONFLICT',
      fields: { size: 200, witnessSize: 405 },
    });
    // Longer than what it saw, with other entries.
    const folder = services.home.ledgerFolder;
    const forked = await openTestLedger(nodeStorage, { folder, lock: services.ledgerLock });
    forked.append(testEntries(300, 9000));
    forked.close();
    await expect(cosignLedger(services, { link, witnessKey })).rejects.toMatchObject({
      code: 'WITNESS_CONFLICT',
      fields: { status: 422, size: 500, oldSize: 405 },
    });
  });
});
