/** Writes NumPy .npz archives: a zip of deflated .npy files. @see PKWARE APPNOTE 4.3 */
import { crc32, deflateRawSync } from 'node:zlib';
import { concatBytes, utf8 } from '../../core/bytes.ts';
import { type NpyArray, toNpy } from './npy.ts';

const DEFLATED = 8;
const VERSION_NEEDED = 20;
/** 1980-01-01, so that equal arrays give equal files. */
const DOS_DATE = 0x21;

interface Entry {
  readonly name: Uint8Array;
  readonly packed: Uint8Array;
  readonly size: number;
  readonly crc: number;
}

/** Little-endian fields: [width in bytes, value]. */
function fields(...list: readonly (readonly [2 | 4, number])[]): Uint8Array {
  const out = new DataView(new ArrayBuffer(list.reduce((sum, [width]) => sum + width, 0)));
  let at = 0;
  for (const [width, value] of list) {
    if (width === 2) out.setUint16(at, value, true);
    else out.setUint32(at, value, true);
    at += width;
  }
  return new Uint8Array(out.buffer);
}

/** The part that local and central headers share. */
function shared({ name, packed, size, crc }: Entry): Uint8Array {
  return fields(
    ...([
      [2, VERSION_NEEDED],
      [2, 0],
      [2, DEFLATED],
      [2, 0],
      [2, DOS_DATE],
    ] as const),
    ...([
      [4, crc],
      [4, packed.length],
      [4, size],
      [2, name.length],
      [2, 0],
    ] as const),
  );
}

function localHeader(entry: Entry): Uint8Array {
  return concatBytes(fields([4, 0x04034b50]), shared(entry), entry.name);
}

function centralHeader(entry: Entry, offset: number): Uint8Array {
  const rest = fields([2, 0], [2, 0], [2, 0], [4, 0], [4, offset]);
  return concatBytes(fields([4, 0x02014b50], [2, VERSION_NEEDED]), shared(entry), rest, entry.name);
}

/** The bytes of an .npz file with one member per key. */
export function toNpz(arrays: Readonly<Record<string, NpyArray>>): Uint8Array {
  const entries = Object.entries(arrays).map(([name, array]): Entry => {
    const bytes = toNpy(array);
    return { name: utf8(`${name}.npy`), packed: deflateRawSync(bytes), size: bytes.length, crc: crc32(bytes) };
  });
  const locals = entries.map((entry) => concatBytes(localHeader(entry), entry.packed));
  let offset = 0;
  const centrals = entries.map((entry, index) => {
    const header = centralHeader(entry, offset);
    offset += locals[index].length;
    return header;
  });
  const centralBytes = centrals.reduce((sum, part) => sum + part.length, 0);
  const count = entries.length;
  const end = fields([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, centralBytes], [4, offset], [2, 0]);
  return concatBytes(...locals, ...centrals, end);
}
