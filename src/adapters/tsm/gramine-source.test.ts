/** Gramine's attestation files as a folder that behaves as its documentation says; no enclave is at hand. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { createDcapLab } from '../../../test/fakes/attest/dcap.ts';
import { readEvidence } from '../../attest/index.ts';
import { nodeTsmFiles, type TsmFiles } from './files.ts';
import { createGramineSource, isGramine } from './gramine-source.ts';

const root = mkdtempSync(join(tmpdir(), 'modelward-gramine-'));
const lab = createDcapLab();
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => {
  writeFileSync(join(root, 'attestation_type'), 'dcap');
});

/** A write of the report data makes the quote that is read next, as EREPORT and the quoting enclave would. */
const enclave: Pick<TsmFiles, 'read' | 'write'> = {
  read: (path) => nodeTsmFiles.read(path),
  write: (path, bytes) => {
    expect(path).toBe(join(root, 'user_report_data'));
    expect(bytes).toHaveLength(64);
    writeFileSync(join(root, 'quote'), lab.makeQuote({ kind: 'sgx', reportData: bytes }));
  },
};
const collect = (reportData: Uint8Array, files = enclave) =>
  createGramineSource({ root, files }).collect({ reportData });

describe('evidence of an enclave', () => {
  test('is a quote over the report data, with zeros after it', () => {
    const { provider, outblob, auxblob } = collect(Uint8Array.of(1, 2, 3));
    expect([provider, auxblob.length]).toEqual(['sgx_enclave', 0]);
    expect(readEvidence(outblob)).toEqual({ kind: 'dcap', quote: outblob, collateral: null });
    expect([...outblob.subarray(368, 372)]).toEqual([1, 2, 3, 0]);
  });

  test('for another request is thrown away', () => {
    const files = {
      ...enclave,
      write: (path: string) => {
        enclave.write(path, new Uint8Array(64).fill(7));
      },
    };
    expect(codeOf(() => collect(Uint8Array.of(1), files))).toBe('ATTEST_TSM_INTERFERED');
  });

  test.each(['none', 'epid', ''])('of an enclave whose attestation is "%s" is refused', (kind) => {
    writeFileSync(join(root, 'attestation_type'), kind);
    expect(codeOf(() => collect(Uint8Array.of(1)))).toBe('ATTEST_ENCLAVE_REFUSED');
  });

  test('that the quoting service refuses is told with its reason', () => {
    const read = (path: string): Uint8Array => {
      if (path.endsWith('quote')) throw Object.assign(new TypeError('aesm'), { code: 'EPERM' });
      return enclave.read(path);
    };
    expect(() => collect(Uint8Array.of(1), { ...enclave, read })).toThrow(
      expect.objectContaining({ code: 'ATTEST_ENCLAVE_REFUSED', fields: { at: 'quote', system: 'EPERM' } }) as Error,
    );
  });

  test('has no privilege level, and 1 to 64 bytes of report data', () => {
    const source = createGramineSource({ root, files: enclave });
    const act = () => source.collect({ reportData: Uint8Array.of(1), privilegeLevel: 0 });
    expect(codeOf(act)).toBe('ATTEST_ENCLAVE_REFUSED');
    for (const length of [0, 65]) expect(() => collect(new Uint8Array(length))).toThrow(TypeError);
  });

  test('is looked for where Gramine shows it', () => {
    expect([isGramine(root), isGramine(join(root, 'missing')), isGramine()]).toEqual([true, false, false]);
  });
});
