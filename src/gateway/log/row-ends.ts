/** Ends of rows that were written before, as bytes: who asked for what is the same again and again. */
import type { LogRow } from '../ports.ts';

/** What rows of one caller have in common. */
export type RowEnd = Pick<LogRow, 'principalId' | 'tenant' | 'model' | 'version' | 'protocol' | 'code'>;

interface Kept {
  readonly of: RowEnd;
  readonly bytes: Uint8Array;
}

const CALLERS_MAX = 1024;
/** With names of usual length it is some 100. */
const BYTES_MAX = 512;

export class RowEnds {
  /** By caller, the end of his last row. */
  readonly #kept = new Map<string, Kept>();

  get size(): number {
    return this.#kept.size;
  }

  find(row: RowEnd): Uint8Array | null {
    const kept = this.#kept.get(row.principalId);
    return kept !== undefined && isSame(kept.of, row) ? kept.bytes : null;
  }

  /** @param bytes copied */
  keep({ principalId, tenant, model, version, protocol, code }: RowEnd, bytes: Uint8Array): void {
    if (bytes.length > BYTES_MAX) return;
    if (this.#kept.size >= CALLERS_MAX) this.#kept.clear();
    const of = { principalId, tenant, model, version, protocol, code };
    this.#kept.set(principalId, { of, bytes: Uint8Array.from(bytes) });
  }
}

function isSame(one: RowEnd, other: RowEnd): boolean {
  return (
    one.model === other.model &&
    one.code === other.code &&
    one.tenant === other.tenant &&
    one.version === other.version &&
    one.protocol === other.protocol
  );
}
