/** Entry bundles: up to 256 entries, each behind its u16 big-endian length (C2SP tlog-tiles). */
import { LedgerError } from '../core/errors.ts';
import { LEDGER_LIMITS } from '../core/limits/ledger.ts';

/** Joins entries of at most 65,535 bytes each. */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const entry of entries) {
    if (entry.length > LEDGER_LIMITS.entryBytesMax) throw new TypeError('an entry has at most 65,535 bytes');
    view.setUint16(at, entry.length);
    out.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return out;
}

/**
 * Splits a bundle; the entries are views into `bundle`.
 * @param firstIndex index of the first entry, for the evidence
 * @throws LedgerError LEDGER_ENTRY_MALFORMED when a length leaves the bundle
 */
export function decodeBundle(bundle: Uint8Array, firstIndex: number): Uint8Array[] {
  const view = new DataView(bundle.buffer, bundle.byteOffset, bundle.byteLength);
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bundle.length) {
    const start = at + 2;
    const end = start <= bundle.length ? start + view.getUint16(at) : Number.POSITIVE_INFINITY;
    if (end > bundle.length) {
      throw new LedgerError('LEDGER_ENTRY_MALFORMED', { fields: { index: firstIndex + entries.length, offset: at } });
    }
    entries.push(bundle.subarray(start, end));
    at = end;
  }
  return entries;
}
