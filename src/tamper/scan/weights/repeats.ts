/** Rule W05: blocks of weights that occur again. */
import { hash } from 'node:crypto';
import { SCAN_LIMITS } from '../../../core/limits/scan.ts';
import type { ScanFinding } from '../finding.ts';
import { DigestTable } from './digest-table.ts';

const BLOCK_BYTES = 4096;

/**
 * Rule W05. Of large models only blocks with certain digests are kept: equal blocks have equal digests, so copies meet
 * whatever part is kept, and memory stays the same.
 */
export class Repeats {
  readonly #keptMax: number;
  readonly #seen: DigestTable;
  readonly #tensors: string[] = [];
  /** Blocks that tensor `second` shares with `first`, by `[first, second]` as JSON. */
  readonly #found = new Map<string, number>();
  /** Blocks whose digest has a bit of this mask are left out. */
  #mask = 0;

  constructor(keptMax: number = SCAN_LIMITS.repeatBlocksMax) {
    this.#keptMax = keptMax;
    this.#seen = new DigestTable(2 * keptMax);
  }

  /** One block of so many is kept. */
  get stride(): number {
    return this.#mask + 1;
  }

  add(tensor: string, bytes: Uint8Array): void {
    if (this.#tensors.at(-1) !== tensor) this.#tensors.push(tensor);
    const own = this.#tensors.length - 1;
    for (let at = 0; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) {
      const block = bytes.subarray(at, at + BLOCK_BYTES);
      if (isPlain(block)) continue;
      const digest = hash('sha256', block, 'buffer');
      if (((digest[8] | (digest[9] << 8)) & this.#mask) !== 0) continue;
      const known = this.#seen.findOrAdd(digest.readUInt32LE(0), digest.readUInt32LE(4), own, digest.readUInt16LE(8));
      if (known === null) {
        if (this.#seen.size >= this.#keptMax) this.#thin();
        continue;
      }
      const pair = JSON.stringify([this.#tensors[known], tensor]);
      this.#found.set(pair, (this.#found.get(pair) ?? 0) + this.stride);
    }
  }

  #thin(): void {
    this.#mask = 2 * this.#mask + 1;
    this.#seen.keep((tag) => (tag & this.#mask) === 0);
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
