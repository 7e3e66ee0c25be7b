/** The crash experiment of the ledger: a workload whose every prefix is cut off, reopened and judged. */
import { toBase64 } from '../../src/core/bytes.ts';
import { isConsistencyProven, toConsistencyProof, toNodeReader, hashLeaf } from '../../src/core/merkle.ts';
import { fsckLedger, verifyCheckpoint } from '../../src/ledger/index.ts';
import { LEDGER_FOLDER, openTestLedger, testEntries, testSigner } from '../fakes/ledger-kit.ts';
import { type CrashModel, createRecordingStorage, type RecordingStorage } from './recording-storage.ts';

/** A checkpoint that was handed out, and the number of storage changes before it could be seen. */
export interface SeenCheckpoint {
  readonly afterOp: number;
  readonly size: number;
  readonly root: Uint8Array;
}

/** A finished run: its storage, what it acknowledged when, and every checkpoint that could be read meanwhile. */
export interface Workload {
  readonly storage: RecordingStorage;
  /** After this many changes, the ledger had promised this many entries. */
  readonly acknowledged: readonly { readonly afterOp: number; readonly size: number }[];
  readonly seen: readonly SeenCheckpoint[];
}

const key = testSigner();

/** Appends batches of the given sizes, one opening per inner list. */
export async function runWorkload(
  openings: readonly (readonly number[])[],
  from: RecordingStorage = createRecordingStorage(['/home']),
): Promise<Workload> {
  const acknowledged: { afterOp: number; size: number }[] = [];
  const seen: SeenCheckpoint[] = [];
  const storage = watchCheckpoints(from, (text) => {
    seen.push({ afterOp: from.opCount(), ...verifyCheckpoint(text, key) });
  });
  for (const batches of openings) {
    const ledger = await openTestLedger(storage);
    let { size } = ledger.reader().head;
    for (const count of batches) {
      const entries = testEntries(count, size).map((entry, i) =>
        i === 0 ? { ...entry, sensitive: { n: size } } : entry,
      );
      ledger.append(entries);
      size += count;
      acknowledged.push({ afterOp: from.opCount(), size });
    }
    ledger.refuse({ actor: 'user', subject: 'seal', cause: 'KEY_REFUSED' });
    ledger.close();
  }
  return { storage: from, acknowledged, seen };
}

/** A reader could see a checkpoint as soon as its bytes are in any file, synced or not. */
function watchCheckpoints(storage: RecordingStorage, see: (text: string) => void): RecordingStorage {
  return {
    ...storage,
    create: (path, mode) => {
      const file = storage.create(path, mode);
      if (!path.endsWith('/checkpoint.tmp')) return file;
      return {
        ...file,
        write: (offset, bytes) => {
          file.write(offset, bytes);
          see(Buffer.from(bytes).toString('utf8'));
        },
      };
    },
  };
}

/**
 * Cuts the workload off after `op` changes, reopens, appends once more, and returns what is wrong: acknowledged
 * entries lost, a checkpoint that does not extend one that was seen before the crash, or an fsck finding.
 */
export async function findCrashFaults(workload: Workload, op: number, model: CrashModel): Promise<string[]> {
  const crashed = workload.storage.crashAfter(op, model);
  const promised = Math.max(0, ...workload.acknowledged.filter((row) => row.afterOp <= op).map((row) => row.size));
  const resumed: SeenCheckpoint[] = [];
  const see = (text: string): void => {
    resumed.push({ afterOp: op, ...verifyCheckpoint(text, key) });
  };
  const ledger = await openTestLedger(watchCheckpoints(crashed, see));
  const faults: string[] = [];
  const reopened = ledger.reader();
  const size = reopened.head.size;
  if (size < promised) faults.push(`promised ${promised} entries, found ${size}`);
  ledger.append(testEntries(2, 900_000));
  const reader = ledger.reader();
  const leaves = Array.from({ length: size + 2 }, (_, index) => hashLeaf(reader.readBytes(index)));
  const node = toNodeReader(leaves);
  for (const { size: first, root } of [...workload.seen.filter((row) => row.afterOp <= op), ...resumed]) {
    const second = reader.head.size;
    const isLonger = first > second;
    const proof = isLonger ? [] : toConsistencyProof({ first, second, node });
    const roots = { firstRoot: root, secondRoot: reader.head.root };
    if (isLonger || !isConsistencyProven({ first, second, ...roots, proof })) {
      faults.push(`two histories: seen ${first} ${toBase64(root)}, now ${second}`);
    }
  }
  ledger.close();
  const { findings } = fsckLedger({ storage: crashed, folder: LEDGER_FOLDER, key });
  return [...faults, ...findings.map((finding) => `fsck: ${JSON.stringify(finding)}`)];
}

/** Every model that a prefix is tried with. */
export function toModels(next: () => number, randomRuns: number): CrashModel[] {
  const torn = [0, 1, 7, 56, 120, 512, -1, -33].map((bytes): CrashModel => ({ kind: 'torn', bytes }));
  const random = Array.from({ length: randomRuns }, (): CrashModel => ({ kind: 'random', next }));
  return [{ kind: 'keep' }, { kind: 'drop' }, { kind: 'drop-content' }, { kind: 'drop-names' }, ...torn, ...random];
}
