/** Texts of an ONNX file, each made once: a value's name stands in two or three places, an operator's in hundreds. */
import { toText } from '../text.ts';

const LENGTH_MAX = 128;
const SLOTS_MAX = 8192;
/** Of models of small tensors, one in so many bytes starts a name. */
const BYTES_PER_SLOT = 32;

/**
 * The last text of each hash. A text that is there is compared in 43 ns where making it anew takes 60; half as many
 * strings are kept, and maps of names compare references. The cache has a fixed size and no chains: names that are made
 * to collide cost what unknown ones cost.
 */
export class TextCache {
  readonly #texts: (string | undefined)[];
  readonly #mask: number;

  /** @param fileBytes size of the file that the texts are in */
  constructor(fileBytes: number) {
    let slots = 64;
    while (slots < SLOTS_MAX && slots < fileBytes / BYTES_PER_SLOT) slots *= 2;
    this.#texts = new Array<string | undefined>(slots).fill(undefined);
    this.#mask = slots - 1;
  }

  /** The text of bytes [start, end) of `buffer`, as {@link toText} reads it. */
  read(buffer: Buffer, start: number, end: number): string {
    if (end - start > LENGTH_MAX) return toText(buffer, start, end);
    // FNV-1a.
    let hash = 0x811c9dc5;
    let bits = 0;
    for (let i = start; i < end; i++) {
      bits |= buffer[i];
      hash = Math.imul(hash ^ buffer[i], 0x01000193);
    }
    if (bits >= 0x80) return toText(buffer, start, end);
    const slot = (hash ^ (hash >>> 15)) & this.#mask;
    const known = this.#texts[slot];
    if (known !== undefined && isText(known, buffer, start, end)) return known;
    return (this.#texts[slot] = buffer.toString('latin1', start, end));
  }
}

function isText(text: string, buffer: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== buffer[start + i]) return false;
  return true;
}
