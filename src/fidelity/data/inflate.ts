/** Compressed evaluation files, inflated into memory under a cap that no header can raise. */
import { gunzipSync, inflateRawSync } from 'node:zlib';
import { FIDELITY_LIMITS } from '../../core/limits/fidelity.ts';
import { openBufferSource } from '../../source/buffer.ts';
import type { ByteSource } from '../../source/ports.ts';
import { malformed, tooLarge } from './types.ts';

type Inflate = (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;

/** All bytes of a source. @throws RuntimeError DATA_TOO_LARGE */
export function readWhole(source: ByteSource, limitBytes: number = FIDELITY_LIMITS.inflatedBytesMax): Uint8Array {
  if (source.size > limitBytes) throw tooLarge(source.label, 'bytes', source.size, limitBytes);
  const bytes = new Uint8Array(source.size);
  source.read(0, bytes);
  return bytes;
}

function inflate(label: string, bytes: Uint8Array, limitBytes: number, run: Inflate): Uint8Array {
  try {
    return run(bytes, { maxOutputLength: limitBytes });
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') {
      throw tooLarge(label, 'inflated bytes', limitBytes + 1, limitBytes);
    }
    throw malformed(label, 'the compressed data is damaged');
  }
}

/** The raw deflate stream `bytes`. @throws RuntimeError DATA_MALFORMED; DATA_TOO_LARGE beyond `limitBytes` */
export function inflateRaw(label: string, bytes: Uint8Array, limitBytes: number): Uint8Array {
  return inflate(label, bytes, limitBytes, inflateRawSync);
}

/** The source itself, or when its name ends in .gz, its inflated content. @throws RuntimeError as above */
export function openMaybeGzip(source: ByteSource): ByteSource {
  if (!source.label.toLowerCase().endsWith('.gz')) return source;
  const bytes = readWhole(source);
  source.close();
  return openBufferSource(
    source.label.slice(0, -3),
    inflate(source.label, bytes, FIDELITY_LIMITS.inflatedBytesMax, gunzipSync),
  );
}
