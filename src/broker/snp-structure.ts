/**
 * SEV-SNP evidence as Trustee's attester sends it: the report taken apart into JSON by the Rust crate `sev`, put together
 * again byte for byte. A member that is misread changes a signed byte, so the signature of the report guards the reading.
 * @see AMD SEV-SNP Firmware ABI Specification (56860), table "ATTESTATION_REPORT Structure"
 */
import { z } from 'zod';
import { encodeSnpEvidenceFile } from '../attest/index.ts';
import { utf8 } from '../core/bytes.ts';
import { ATTEST_LIMITS } from '../core/limits/attest.ts';

const REPORT_BYTES = 0x4a0;

const byte = z.int().min(0).max(0xff);
const bytes = (length: number) => z.array(byte).length(length);
const u32 = z.int().min(0).max(0xffff_ffff);
// Larger ones would come out of JSON altered.
const u64 = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const tcb = z.object({ fmc: byte.nullish(), bootloader: byte, tee: byte, snp: byte, microcode: byte });
const version = z.object({ build: byte, minor: byte, major: byte });

/** Members of report versions 2 to 5, as releases of the crate name them. */
const reportSchema = z.object({
  ...{ version: u32, guest_svn: u32, policy: u64, family_id: bytes(16), image_id: bytes(16), vmpl: u32, sig_algo: u32 },
  ...{ current_tcb: tcb, reported_tcb: tcb, committed_tcb: tcb, launch_tcb: tcb, plat_info: u64 },
  ...{ key_info: u32.optional(), _author_key_en: u32.optional() },
  ...{ report_data: bytes(64), measurement: bytes(48), host_data: bytes(32) },
  ...{ id_key_digest: bytes(48), author_key_digest: bytes(48), report_id: bytes(32), report_id_ma: bytes(32) },
  ...{ cpuid_fam_id: byte.nullish(), cpuid_mod_id: byte.nullish(), cpuid_step: byte.nullish(), chip_id: bytes(64) },
  ...{ current: version.optional(), current_build: byte.optional(), current_minor: byte.optional() },
  ...{ current_major: byte.optional(), committed: version.optional(), committed_build: byte.optional() },
  ...{ committed_minor: byte.optional(), committed_major: byte.optional() },
  ...{ launch_mit_vector: u64.nullish(), current_mit_vector: u64.nullish() },
  signature: z.object({ r: bytes(72), s: bytes(72) }),
});

const entrySchema = z.object({
  cert_type: z.unknown(),
  data: z.array(byte).max(ATTEST_LIMITS.tsmBlobBytesMax),
});
const schema = z.object({
  attestation_report: reportSchema,
  cert_chain: z.array(entrySchema).max(ATTEST_LIMITS.chainCertificatesMax).nullish(),
});

type Report = z.infer<typeof reportSchema>;
const CERTIFICATES: readonly unknown[] = ['VCEK', 'VLEK', 'ASK', 'ARK'];

/** The evidence file (docs/spec/attestation-evidence.md) of the same evidence; undefined for anything else. */
export function findSnpStructure(value: unknown): Uint8Array | undefined {
  const parsed = schema.safeParse(value);
  if (!parsed.success) return undefined;
  const { attestation_report: report, cert_chain: chain } = parsed.data;
  const select = (isWanted: (type: unknown) => boolean) =>
    (chain ?? []).filter(({ cert_type: type }) => isWanted(type)).map(({ data }) => Uint8Array.from(data));
  return utf8(
    encodeSnpEvidenceFile({
      report: encodeReport(report),
      certificates: select((type) => CERTIFICATES.includes(type)),
      crls: select((type) => type === 'CRL'),
    }),
  );
}

/** Offsets in bytes, numbers little-endian. */
function encodeReport(report: Report): Uint8Array {
  const out = new Uint8Array(REPORT_BYTES);
  const view = new DataView(out.buffer);
  view.setUint32(0x00, report.version, true);
  view.setUint32(0x04, report.guest_svn, true);
  view.setBigUint64(0x08, BigInt(report.policy), true);
  out.set(report.family_id, 0x10);
  out.set(report.image_id, 0x20);
  view.setUint32(0x30, report.vmpl, true);
  view.setUint32(0x34, report.sig_algo, true);
  out.set(encodeTcb(report.current_tcb), 0x38);
  view.setBigUint64(0x40, BigInt(report.plat_info), true);
  view.setUint32(0x48, report.key_info ?? report._author_key_en ?? 0, true);
  out.set(report.report_data, 0x50);
  out.set(report.measurement, 0x90);
  out.set(report.host_data, 0xc0);
  out.set(report.id_key_digest, 0xe0);
  out.set(report.author_key_digest, 0x110);
  out.set(report.report_id, 0x140);
  out.set(report.report_id_ma, 0x160);
  out.set(encodeTcb(report.reported_tcb), 0x180);
  out.set([report.cpuid_fam_id ?? 0, report.cpuid_mod_id ?? 0, report.cpuid_step ?? 0], 0x188);
  out.set(report.chip_id, 0x1a0);
  out.set(encodeTcb(report.committed_tcb), 0x1e0);
  const { current, committed } = report;
  out.set([current?.build ?? report.current_build ?? 0, current?.minor ?? report.current_minor ?? 0], 0x1e8);
  out.set([current?.major ?? report.current_major ?? 0], 0x1ea);
  out.set([committed?.build ?? report.committed_build ?? 0, committed?.minor ?? report.committed_minor ?? 0], 0x1ec);
  out.set([committed?.major ?? report.committed_major ?? 0], 0x1ee);
  out.set(encodeTcb(report.launch_tcb), 0x1f0);
  view.setBigUint64(0x1f8, BigInt(report.launch_mit_vector ?? 0), true);
  view.setBigUint64(0x200, BigInt(report.current_mit_vector ?? 0), true);
  out.set(report.signature.r, 0x2a0);
  out.set(report.signature.s, 0x2e8);
  return out;
}

/** Turin alone has a level of its FMC, and another order. */
function encodeTcb({ fmc, bootloader, tee, snp, microcode }: z.infer<typeof tcb>): readonly number[] {
  return fmc === undefined || fmc === null
    ? [bootloader, tee, 0, 0, 0, 0, snp, microcode]
    : [fmc, bootloader, tee, snp, 0, 0, 0, microcode];
}
