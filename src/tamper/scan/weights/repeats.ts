/** Rule W05: blocks of weights that occur again. */
import { createHash } from 'node:crypto';
import { SCAN_LIMITS } from '../../../core/limits/scan.ts';
import type { ScanFinding } from '../finding.ts';

const BLOCK_BYTES = 4096;

/**
 * Rule W05. Of large models only blocks with certain digests are kept: equal blocks have equal digests, so copies meet
 * whatever part is kept, and memory stays the same.
 */
export class Repeats {
  readonly #keptMax: number;
  /** Name of the tensor that a digest was first seen in. */
  readonly #seen = new Map<string, string>();
  readonly #found = new Map<string, number>();
  /** Blocks whose digest has a bit of this mask are left out. */
  #mask = 0;

  constructor(keptMax: number = SCAN_LIMITS.repeatBlocksMax) {
    this.#keptMax = keptMax;
  }

  /** One block of so many is kept. */
  get stride(): number {
    return this.#mask + 1;
  }

  add(tensor: string, bytes: Uint8Array): void {
    for (let at = 0; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) {
      const block = bytes.subarray(at, at + BLOCK_BYTES);
      if (isPlain(block)) continue;
      const key = createHash('sha256').update(block).digest('base64').slice(0, 22);
      if (!this.#isKept(key)) continue;
      const known = this.#seen.get(key);
      if (known !== undefined) {
        const pair = JSON.stringify([known, tensor]);
        this.#found.set(pair, (this.#found.get(pair) ?? 0) + this.stride);
        continue;
      }
      this.#seen.set(key, tensor);
      if (this.#seen.size >= this.#keptMax) this.#thin();
    }
  }

  #isKept(key: string): boolean {
    return this.#mask === 0 || (Buffer.from(key.slice(0, 4), 'base64').readUInt16BE(0) & this.#mask) === 0;
  }

  #thin(): void {
    this.#mask = 2 * this.#mask + 1;
    for (const key of this.#seen.keys()) if (!this.#isKept(key)) this.#seen.delete(key);
  }

  judge(): ScanFinding[] {
    return [...this.#found].map(([pair, count]): ScanFinding => {
      const [first, second] = JSON.parse(pair) as [string, string];
      // Tied layers repeat from tensor to tensor; inside one, only a copy does.
      const isInside = first === second;
      const where = isInside ? `inside tensor "${first}"` : `of tensor "${first}" in "${second}"`;
      const message = `${this.#mask === 0 ? '' : 'About '}${count} blocks of 4 KiB ${where} occur again.`;
      const severity = isInside && count >= 4 ? 'suspicious' : 'benign';
      return { rule: 'W05', severity, message, subject: second, kind: 'tensor', path: [], offset: null };
    });
  }
}

/** Fillers and short patterns repeat without a reason: blocks of at most eight different bytes, or of period eight. */
function isPlain(block: Uint8Array): boolean {
  const values = new Set<number>();
  let isPeriodic = true;
  for (let i = 0; i < block.length; i++) {
    if (values.size <= 16) values.add(block[i]);
    if (isPeriodic && i >= 8) isPeriodic = block[i] === block[i - 8];
    if (!isPeriodic && values.size > 16) return false;
  }
  return true;
}
