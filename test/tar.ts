/** A reader of gzipped tar archives for test data: regular files, in order, one at a time. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export interface TarEntry {
  readonly path: string;
  readonly bytes: Uint8Array;
}

const BLOCK_BYTES = 512;

/** The regular files of the ustar, GNU or pax archive at `path`. Only test data goes through here, never user input. */
export function* readTarGz(path: string): Generator<TarEntry> {
  const tar = gunzipSync(readFileSync(path));
  let longName = '';
  for (let at = 0; at + BLOCK_BYTES <= tar.length; ) {
    const header = tar.subarray(at, at + BLOCK_BYTES);
    if (header[0] === 0) return;
    const size = Number.parseInt(readText(header, 124, 12), 8);
    const type = String.fromCharCode(header[156]);
    const body = tar.subarray(at + BLOCK_BYTES, at + BLOCK_BYTES + size);
    at += BLOCK_BYTES + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
    if (type === 'L') longName = readText(body, 0, body.length);
    else if (type === 'x') longName = /\d+ path=([^\n]+)\n/.exec(readText(body, 0, body.length))?.[1] ?? '';
    else {
      const prefix = readText(header, 345, 155);
      const name = readText(header, 0, 100);
      const full = longName !== '' ? longName : prefix === '' ? name : `${prefix}/${name}`;
      longName = '';
      if (type === '0' || type === '\0') yield { path: full, bytes: new Uint8Array(body) };
    }
  }
}

function readText(bytes: Uint8Array, start: number, length: number): string {
  const text = Buffer.from(bytes.subarray(start, start + length)).toString('utf8');
  const end = text.indexOf('\0');
  return end === -1 ? text : text.slice(0, end);
}
