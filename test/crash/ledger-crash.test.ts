import { describe, expect, test } from 'vitest';
import { LEDGER_FOLDER, openTestLedger, testEntries, testNumbers, testSigner } from '../fakes/ledger-kit.ts';
import { fsckLedger } from '../../src/ledger/index.ts';
import { findCrashFaults, runWorkload, toModels } from './ledger-crash.ts';
import { type CrashModel, createRecordingStorage } from './recording-storage.ts';

const isLong = process.env.MODELWARD_LONG === '1';

/** A few models in every run, all of them in the long one. */
function chooseModels(next: () => number): CrashModel[] {
  const models = toModels(next, isLong ? 8 : 1);
  return isLong ? models : models.filter((model) => model.kind !== 'torn' || [0, 7, -1].includes(model.bytes));
}

describe('ledger crash', () => {
  test('cut off after any storage call, with unsynced changes kept, dropped or torn, it recovers', async () => {
    const workload = await runWorkload(isLong ? [[1, 2], [1], [254, 3]] : [[1, 2], [1]]);
    const next = testNumbers(7);
    const faults: string[] = [];
    for (let op = 0; op <= workload.storage.opCount(); op += 1) {
      for (const model of chooseModels(next)) {
        for (const fault of await findCrashFaults(workload, op, model)) faults.push(`${op} ${model.kind}: ${fault}`);
      }
    }
    expect(faults.slice(0, 10)).toEqual([]);
  });

  test('cut off while a batch fills a tile, it has the whole batch or nothing of it', async () => {
    const start = createRecordingStorage(['/home']);
    const ledger = await openTestLedger(start);
    ledger.append(testEntries(254));
    ledger.close();
    const settled = start.settled();
    const second = await openTestLedger(settled);
    const before = settled.opCount();
    second.append(testEntries(4, 254));
    second.close();
    const promised = settled.opCount();
    const faults: string[] = [];
    const next = testNumbers(8);
    for (let op = before; op <= promised; op += 1) {
      for (const model of chooseModels(next).filter(({ kind }) => isLong || kind === 'drop' || kind === 'random')) {
        const crashed = settled.crashAfter(op, model);
        const again = await openTestLedger(crashed);
        const { size } = again.reader().head;
        if (size !== 254 && size !== 258) faults.push(`${op} ${model.kind}: size ${size}`);
        again.append(testEntries(3, size));
        again.close();
        const { findings } = fsckLedger({ storage: crashed, folder: LEDGER_FOLDER, key: testSigner() });
        if (findings.length > 0) faults.push(`${op} ${model.kind}: ${JSON.stringify(findings[0])}`);
      }
    }
    expect(faults.slice(0, 10)).toEqual([]);
  });

  test('killed after any storage call and then out of power during or after recovery, it recovers', async () => {
    const workload = await runWorkload([[1, 2]]);
    const next = testNumbers(9);
    const faults: string[] = [];
    for (let op = 0; op <= workload.storage.opCount(); op += 1) {
      const resumed = await runWorkload([[1]], workload.storage.killedAfter(op));
      const seen = [...workload.seen.filter((row) => row.afterOp <= op), ...resumed.seen];
      const acknowledged = [...workload.acknowledged.filter((row) => row.afterOp <= op), ...resumed.acknowledged];
      const both = { storage: resumed.storage, seen, acknowledged };
      const models: CrashModel[] = [{ kind: 'drop' }, { kind: 'random', next }];
      const step = isLong ? 1 : 5;
      for (let cut = op + (op % step); cut <= resumed.storage.opCount(); cut += step) {
        for (const model of isLong ? models : [models[cut % 2]]) {
          for (const fault of await findCrashFaults(both, cut, model))
            faults.push(`${op}/${cut} ${model.kind}: ${fault}`);
        }
      }
    }
    expect(faults.slice(0, 10)).toEqual([]);
  });
});
