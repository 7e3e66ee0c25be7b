/** Every array of an npy or npz file as runtime values: recordings of outputs. */
import { concatBytes } from '../core/bytes.ts';
import { FIDELITY_LIMITS } from '../core/limits/fidelity.ts';
import type { RuntimeTensor } from '../model/runtime.ts';
import type { ByteSource } from '../source/ports.ts';
import { openNpy } from './data/npy.ts';
import { tooLarge } from './data/types.ts';
import { listZip, openZipEntry } from './data/zip.ts';
import { encodeValues } from './values.ts';

/**
 * Arrays by name, read whole and in their own element type; that of an npy file has the name "". The source is closed.
 * @throws RuntimeError DATA_MALFORMED | DATA_TOO_LARGE | RUNTIME_DTYPE_UNSUPPORTED; SourceError
 */
export function readArrays(source: ByteSource): ReadonlyMap<string, RuntimeTensor> {
  try {
    const magic = new Uint8Array(Math.min(2, source.size));
    source.read(0, magic);
    const isZip = Buffer.from(magic).toString('latin1') === 'PK';
    if (!isZip) return new Map([['', readArray(source)]]);
    const entries = listZip(source).filter(({ name }) => name.endsWith('.npy'));
    return new Map(entries.map((entry) => [entry.name.slice(0, -4), readArray(openZipEntry(source, entry))]));
  } finally {
    source.close();
  }
}

function readArray(source: ByteSource): RuntimeTensor {
  const { dtype, shape, readRow } = openNpy(source);
  const bytesMax = FIDELITY_LIMITS.inflatedBytesMax;
  if (source.size > bytesMax) throw tooLarge(source.label, 'bytes of an array', source.size, bytesMax);
  const rows = Array.from({ length: shape[0] ?? 0 }, (_, index) => encodeValues(dtype, readRow(index)));
  return { dtype, shape, data: concatBytes(...rows) };
}
