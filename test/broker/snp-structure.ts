/** A SEV-SNP report taken apart as the Rust crate `sev` does: members as its releases spell them. */

const take = (report: Uint8Array, at: number, length: number): number[] => [...report.subarray(at, at + length)];

const toTcb = (report: Uint8Array, at: number, isTurin: boolean): object => {
  const [a, b, c, d, , , snp, microcode] = take(report, at, 8);
  return isTurin
    ? { fmc: a, bootloader: b, tee: c, snp: d, microcode }
    : { fmc: null, bootloader: a, tee: b, snp, microcode };
};

export function toSnpStructure(report: Uint8Array, form: 'old' | 'new', isTurin = false): Record<string, unknown> {
  const view = new DataView(report.buffer, report.byteOffset);
  const u32 = (at: number): number => view.getUint32(at, true);
  const u64 = (at: number): number => Number(view.getBigUint64(at, true));
  const [build, minor, major] = take(report, 0x1e8, 3);
  const [committedBuild, committedMinor, committedMajor] = take(report, 0x1ec, 3);
  const [family, model, step] = take(report, 0x188, 3);
  return {
    ...{ version: u32(0), guest_svn: u32(4), policy: u64(8), family_id: take(report, 0x10, 16) },
    ...{ image_id: take(report, 0x20, 16), vmpl: u32(0x30), sig_algo: u32(0x34) },
    ...{ current_tcb: toTcb(report, 0x38, isTurin), plat_info: u64(0x40) },
    ...(form === 'old' ? { _author_key_en: u32(0x48), _reserved_0: 0 } : { key_info: u32(0x48) }),
    ...{ report_data: take(report, 0x50, 64), measurement: take(report, 0x90, 48), host_data: take(report, 0xc0, 32) },
    ...{ id_key_digest: take(report, 0xe0, 48), author_key_digest: take(report, 0x110, 48) },
    ...{ report_id: take(report, 0x140, 32), report_id_ma: take(report, 0x160, 32) },
    ...{ reported_tcb: toTcb(report, 0x180, isTurin), chip_id: take(report, 0x1a0, 64) },
    ...(form === 'old' ? {} : { cpuid_fam_id: family, cpuid_mod_id: model, cpuid_step: step }),
    committed_tcb: toTcb(report, 0x1e0, isTurin),
    ...(form === 'old'
      ? {
          ...{ current_build: build, current_minor: minor, current_major: major, _reserved_2: 0 },
          ...{ committed_build: committedBuild, committed_minor: committedMinor, committed_major: committedMajor },
        }
      : {
          current: { build, minor, major },
          committed: { build: committedBuild, minor: committedMinor, major: committedMajor },
          ...{ launch_mit_vector: u64(0x1f8), current_mit_vector: u64(0x200) },
        }),
    launch_tcb: toTcb(report, 0x1f0, isTurin),
    signature: { r: take(report, 0x2a0, 72), s: take(report, 0x2e8, 72) },
  };
}
