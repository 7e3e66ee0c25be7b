/** What the tests of PyTorch files ask of every error and of every scan. */
import { expect } from 'vitest';
import { type ErrorCode, ModelwardError } from '../../src/core/errors.ts';
import { scanPyTorch } from '../../src/formats/pytorch/scan.ts';
import { openBufferSource } from '../../src/source/buffer.ts';
import { openBytes } from './models.ts';
import { mutateTorch } from './mutate-torch.ts';
import * as K from './pickle.ts';
import { toRng } from './random.ts';

/** The code of the coded error that `act` throws; reader errors must name the offset. Other errors pass. */
export function findTorchError(act: () => unknown): ErrorCode | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (!(error instanceof ModelwardError)) throw error;
    if (error.code.startsWith('PYTORCH_')) expect(error.fields.offset).toBeTypeOf('number');
    return error.code;
  }
}

const PAYLOAD = K.join(K.call('os', 'system', K.text('id')), K.POP);

/**
 * Scans mutants with and without a payload in front of the mutated opcodes. Python runs that payload before it reaches
 * any defect, so no defect may hide it.
 */
export function assertScansSound(seed: number, count: number): void {
  for (let i = 0; i < count; i++) {
    const withPayload = i % 2 === 0;
    const mutant = mutateTorch(toRng(seed * 1_000_003 + i), withPayload ? { front: PAYLOAD } : {});
    const start = process.cpuUsage();
    const scan = scanPyTorch(openBufferSource('m.pt', mutant.bytes));
    const used = process.cpuUsage(start);
    const where = `mutant ${i} of seed ${seed}`;
    expect((used.user + used.system) / 1000, where).toBeLessThan(2000);
    const isFound = scan.findings.some(({ name }) => name === 'os.system');
    const isCut = scan.problems.length + scan.notScanned.length > 0;
    if (withPayload && mutant.level === 'opcodes') expect(isFound, where).toBe(true);
    // Behind changed records, a payload may be out of reach; then the scan says that something is wrong.
    if (withPayload && mutant.level === 'archive') expect(isFound || isCut, where).toBe(true);
    if (findTorchError(() => openBytes(mutant.bytes, 'm.pt')) === undefined) {
      const isSafe = scan.findings.every(({ severity }) => severity !== 'dangerous');
      // Opening reads no weights, and so not their checksums.
      const others = scan.problems.filter(({ code }) => code !== 'PYTORCH_ZIP_CRC');
      expect([isSafe, others], where).toEqual([true, []]);
    }
  }
}
