/** A witness for tests, over the storage that is handed in, and ledgers for it to see. */
import { utf8 } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';
import type { HttpResponse } from '../../src/core/http-handler.ts';
import {
  addLog,
  createCosigner,
  createWitnessFolder,
  createWitnessHandler,
  encodeAddCheckpoint,
  type LedgerReader,
  openWitness,
  type Witness,
  type WitnessLink,
  type WitnessOptions,
} from '../../src/ledger/index.ts';
import type { Storage } from '../../src/source/ports.ts';
import { openTestLedger, testClock, testEntries, testLock, testRandom, testSigner } from './ledger-kit.ts';

export const WITNESS_FOLDER = '/home/witness';

/** A cosigner whose seed is a hash of its name. */
export function testCosigner(name = 'witness.example/w1') {
  return createCosigner({ name, seed: sha256(utf8(`seed of ${name}`)) });
}

/** Makes the witness of a folder, which takes the test ledger. */
export function prepareWitness(storage: Storage, folder = WITNESS_FOLDER): void {
  const key = testSigner();
  createWitnessFolder({ storage, folder, name: 'witness.example/w1', random: testRandom(5) });
  addLog({ storage, folder }, { origin: key.name, keys: [key] });
}

export interface TestWitness {
  readonly witness: Witness;
  readonly clock: ReturnType<typeof testClock>;
  readonly lock: ReturnType<typeof testLock>;
  readonly troubles: string[];
  readonly forks: string[];
  post(body: Uint8Array | string): Promise<Posted>;
  /** The way that a client goes, without a network. */
  readonly link: WitnessLink;
}

export interface Posted {
  readonly status: number;
  readonly type: string | undefined;
  readonly text: string;
}

export async function openTestWitness(storage: Storage, options: Partial<WitnessOptions> = {}): Promise<TestWitness> {
  const clock = testClock();
  const lock = testLock();
  const witness = await openWitness({ storage, folder: WITNESS_FOLDER, clock, lock, ...options });
  const troubles: string[] = [];
  const forks: string[] = [];
  const handler = createWitnessHandler({
    witness,
    onTrouble: (code) => troubles.push(code),
    onFork: ({ origin, size }) => forks.push(`${origin} ${size}`),
  });
  const send = (body: Uint8Array): Promise<HttpResponse> =>
    handler({ method: 'POST', path: '/add-checkpoint', query: '', headers: {}, body, remoteAddress: '192.0.2.1' });
  return {
    witness,
    clock,
    lock,
    troubles,
    forks,
    post: async (body) => toPosted(await send(typeof body === 'string' ? utf8(body) : body)),
    link: {
      addCheckpoint: async (body) => {
        const { status, headers, body: answer } = await send(body);
        return { status, contentType: headers['content-type'], body: answer };
      },
    },
  };
}

export function toPosted({ status, headers, body }: HttpResponse): Posted {
  return { status, type: headers['content-type'], text: Buffer.from(body).toString('utf8') };
}

/** Readers of one ledger at growing sizes. */
export async function growReaders(storage: Storage, folder: string, sizes: readonly number[]): Promise<LedgerReader[]> {
  const ledger = await openTestLedger(storage, { folder });
  const readers = sizes.map((size) => {
    const { head } = ledger.reader();
    ledger.append(testEntries(size - head.size, head.size));
    return ledger.reader();
  });
  ledger.close();
  return readers;
}

/** The body by which a log asks for the cosignature of its newest checkpoint. */
export function toBody(reader: LedgerReader, oldSize: number): Uint8Array {
  const proof = reader.consistency(oldSize, reader.head.size);
  return encodeAddCheckpoint({ oldSize, proof, checkpoint: reader.checkpoint });
}
