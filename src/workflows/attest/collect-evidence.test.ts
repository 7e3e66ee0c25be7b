/** What a guest collected becomes an evidence file that verifies. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { createDcapLab } from '../../../test/fakes/attest/dcap.ts';
import { createSnpLab, NOW_MS } from '../../../test/fakes/attest/snp.ts';
import { readEvidence, verifyEvidence } from '../../attest/index.ts';
import type { ReportSource } from '../../attest/ports.ts';
import { nodeStorage } from '../../source/node-storage.ts';
import type { Services } from '../services.ts';
import { collectEvidence } from './collect-evidence.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelward-collect-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const services = { storage: nodeStorage } as Services;
const reportData = Uint8Array.of(1, 2, 3, 4);
const collect = (name: string, source: ReportSource) =>
  collectEvidence(services, source, { reportData, outPath: join(folder, name), force: false });
const read = (name: string) => readEvidence(readFileSync(join(folder, name)));

test('a SEV-SNP report, with the certificates of the host', () => {
  const lab = createSnpLab();
  const source: ReportSource = {
    collect: (request) => ({
      provider: 'sev_guest',
      outblob: lab.makeReport({ reportData: request.reportData }),
      auxblob: lab.vcek.der,
    }),
  };
  expect(collect('snp.json', source)).toMatchObject({ provider: 'sev_guest', certificates: 1 });
  const claims = verifyEvidence(read('snp.json'), { nowMs: NOW_MS, anchors: { snp: lab.trust } });
  expect(claims.reportDataHex.startsWith('01020304')).toBe(true);
  expect(codeOf(() => collect('snp.json', source))).toBe('WRITE_EXISTS');
});

test('a TDX quote, for collateral that is fetched elsewhere', () => {
  const quote = createDcapLab().makeQuote({ reportData });
  collect('tdx.json', { collect: () => ({ provider: 'tdx_guest', outblob: quote, auxblob: new Uint8Array() }) });
  expect(read('tdx.json')).toEqual({ kind: 'dcap', quote, collateral: null });
});

test('of a provider that is not known is refused', () => {
  const source = { collect: () => ({ provider: 'arm_cca_guest', outblob: reportData, auxblob: new Uint8Array() }) };
  expect(codeOf(() => collect('cca.json', source))).toBe('ATTEST_EVIDENCE_UNKNOWN');
});
