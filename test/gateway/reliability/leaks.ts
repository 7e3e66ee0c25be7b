/** Looks for what must never be told, in each spelling that it could be told in. */

/** Bytes of a model's weights, at so many places of its file, that nothing else says. */
export function toWindows(model: Buffer, count = 12): readonly Buffer[] {
  const bytes = 32;
  const windows: Buffer[] = [];
  for (let n = 1; n <= count; n++) {
    let at = Math.floor((model.length * n) / (count + 1));
    while (new Set(model.subarray(at, at + bytes)).size < 20 && at > bytes) at -= bytes;
    windows.push(model.subarray(at, at + bytes));
  }
  return windows;
}

export class LeakHunter {
  readonly #spellings: (readonly [name: string, spelling: Buffer])[] = [];

  /** Text that is searched for as it is, without its case. */
  addText(name: string, text: string): void {
    this.#spellings.push([name, Buffer.from(text.toLowerCase(), 'latin1')]);
  }

  /** Bytes that are searched for raw, in hex and in base64 at each place within four characters. */
  addBytes(name: string, bytes: Buffer): void {
    this.#spellings.push([`${name}, raw`, Buffer.from(bytes.toString('latin1').toLowerCase(), 'latin1')]);
    this.addText(`${name}, hex`, bytes.toString('hex'));
    for (const before of [0, 1, 2]) {
      const text = Buffer.concat([Buffer.alloc(before), bytes])
        .toString('base64')
        .replaceAll('=', '');
      // The characters at both ends share bits with what stands around.
      const inner = text.slice(Math.ceil((before * 8) / 6), -2);
      this.addText(`${name}, base64`, inner);
      this.addText(`${name}, base64url`, inner.replaceAll('+', '-').replaceAll('/', '_'));
    }
  }

  /** Weights as numbers of JSON: the first seven digits of one of the floats in the bytes. */
  addFloats(name: string, bytes: Buffer): void {
    for (let at = 0; at + 4 <= bytes.length; at++) {
      const digits = bytes.readFloatLE(at).toString();
      const found = /^-?(0\.0?[1-9]\d{7})\d/.exec(digits)?.[1];
      if (found !== undefined) this.addText(`${name}, as a number`, found);
    }
  }

  /** Names of what is in there. */
  find(told: Buffer): readonly string[] {
    const text = Buffer.from(told.toString('latin1').toLowerCase(), 'latin1');
    return this.#spellings.filter(([, spelling]) => text.includes(spelling)).map(([name]) => name);
  }
}
