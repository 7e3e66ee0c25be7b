/** Licences that were issued: their entries in the ledger, and what they say. */
import { toHex, utf8 } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import type { EntryInput } from '../../ledger/index.ts';
import { type IssuedLicense, parseLicenseFile, verifyLicense } from '../../license/index.ts';
import type { Recorder } from '../recorder.ts';
import type { Vendor } from './vendor.ts';

/** Durable before anything is handed out. Returns the index of the entry. */
export async function recordLicense(
  recorder: Pick<Recorder, 'record' | 'actor'>,
  license: IssuedLicense,
  action: string,
): Promise<number> {
  const { firstIndex } = await recorder.record([toLicenseEntry(recorder, license, action)]);
  return firstIndex;
}

export function toLicenseEntry({ actor }: Pick<Recorder, 'actor'>, license: IssuedLicense, action: string): EntryInput {
  return {
    type: 'license',
    actor,
    subject: license.sealId,
    digests: { license: toHex(sha256(utf8(license.file))) },
    detail: { action, name: license.name, seq: license.seq, device: license.jkt },
  };
}

/** What was signed here, read back. */
export function verifyIssued(vendor: Vendor, issued: IssuedLicense): ReturnType<typeof verifyLicense> {
  const { license } = parseLicenseFile(utf8(issued.file));
  return verifyLicense(license, { keys: [vendor.key], audience: null });
}

/** Licences whose text is remembered as verified. */
const REMEMBERED_MAX = 1024;

/** As {@link verifyIssued}; what was verified is not verified again as long as the register has the same bytes. */
export function createIssuedReader(vendor: Vendor): (issued: IssuedLicense) => ReturnType<typeof verifyLicense> {
  const known = new Map<string, ReturnType<typeof verifyLicense>>();
  return (issued) => {
    const found = known.get(issued.file);
    if (found !== undefined) return found;
    const verified = verifyIssued(vendor, issued);
    if (known.size >= REMEMBERED_MAX) known.delete(known.keys().next().value!);
    known.set(issued.file, verified);
    return verified;
  };
}
