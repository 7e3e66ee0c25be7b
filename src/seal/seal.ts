/** Sealing: one or several files into one immutable sealed file, streaming (docs/spec/sealed-model.md). */
import { SealError } from '../core/errors.ts';
import { SEAL_LIMITS } from '../core/limits/seal.ts';
import { type Clock, type Progress, type Random, silentProgress } from '../core/ports.ts';
import type { ByteSink, ByteSource } from '../source/ports.ts';
import { primeAllocator } from './allocator.ts';
import { createFloeHeader, encryptFloeSegment, type FloeKeys, sealFloeSegment } from './floe.ts';
import {
  FLOE_SEGMENT_IV_BYTES,
  toFloeBytes,
  toFloeParams,
  toFloeSegmentCount,
  toSegmentPlaintextBytes,
} from './floe-params.ts';
import { encodeSealHeader, type SealHeader, toDekId } from './header.ts';
import { findNameFault, hasNameClash } from './names.ts';
import { createUuidV7 } from './uuid.ts';

/** One file to seal, under the name that the model's main file uses for it. */
export interface FileToSeal {
  readonly name: string;
  readonly source: ByteSource;
}

export interface SealFilesOptions {
  /** The first is the model's main file; the others are its external data or shards. */
  readonly files: readonly FileToSeal[];
  readonly sink: ByteSink;
  /** 32 random bytes. The caller keeps the key, puts it in an envelope, and wipes it. */
  readonly dek: Uint8Array;
  readonly model: { readonly name: string; readonly version?: string };
  /** A hint such as "onnx"; readers still look at the bytes. */
  readonly format: string;
  readonly clock: Clock;
  readonly random: Random;
  /** 64 KiB to 4 MiB; 1 MiB unless given. */
  readonly segmentBytes?: number;
  /** SHA-256 of the plaintext in hex. It is readable without a key and names the model to whoever has the original. */
  readonly ptSha256?: string;
  readonly progress?: Progress;
}

export interface SealedFile {
  readonly header: SealHeader;
  /** Commitment to the data key, 32 bytes: goes into the key envelope. */
  readonly dekCheck: Uint8Array;
  readonly sealedBytes: number;
}

/**
 * Seals files into one sealed file; memory is two segments whatever the size. Plaintext is read once, in order.
 * @throws SealError SEAL_NAME_REFUSED | SEAL_HEADER_INVALID (names too long together)
 * @throws TypeError for a key of another length, no file, or a segment length out of range
 * @see docs/spec/sealed-model.md
 */
export function sealFiles(options: SealFilesOptions): SealedFile {
  const { sink, dek, random, progress = silentProgress } = options;
  const header = toHeader(options);
  const preamble = encodeSealHeader(header);
  const params = toFloeParams(header.segLen);
  const floe = createFloeHeader(dek, { params, iv: drawBytes(random, params.ivBytes), aad: preamble });
  primeAllocator(header.ptSize);
  try {
    sink.write(preamble);
    sink.write(floe.header);
    progress.step('seal', header.ptSize, 'bytes');
    const segmentsBytes = writeSegments(floe.keys, header, options);
    progress.done();
    const sealedBytes = preamble.length + floe.header.length + segmentsBytes;
    return { header, dekCheck: floe.header.slice(-32), sealedBytes };
  } finally {
    floe.keys.close();
  }
}

/** {@link sealFiles} for a model of one file, named after the source's label. */
export function sealSource(
  options: Omit<SealFilesOptions, 'files'> & { readonly source: ByteSource; readonly name?: string },
): SealedFile {
  const { source, name = source.label, ...rest } = options;
  return sealFiles({ ...rest, files: [{ name, source }] });
}

function toHeader(options: Omit<SealFilesOptions, 'sink'>): SealHeader {
  const { files, dek, model, format, clock, random, segmentBytes = SEAL_LIMITS.segmentBytesDefault } = options;
  if (files.length === 0 || files.length > SEAL_LIMITS.filesMax) throw new TypeError('a seal holds 1..8192 files');
  if (segmentBytes < SEAL_LIMITS.segmentBytesMin || segmentBytes > SEAL_LIMITS.segmentBytesMax) {
    throw new TypeError('segments have 64 KiB to 4 MiB');
  }
  const names = files.map((file) => file.name);
  const refused = names.find((name) => findNameFault(name) !== undefined);
  if (refused !== undefined) throw new SealError('SEAL_NAME_REFUSED', { fields: { name: refused } });
  if (hasNameClash(names)) throw new SealError('SEAL_NAME_REFUSED', { fields: { fault: 'names differ in case only' } });
  return {
    v: 1,
    sealId: createUuidV7(clock, random),
    model: model.version === undefined ? { name: model.name } : { name: model.name, version: model.version },
    format,
    files: files.map(({ name, source }) => ({ name, size: source.size })),
    ptSize: files.reduce((sum, { source }) => sum + source.size, 0),
    ...(options.ptSha256 === undefined ? {} : { ptSha256: options.ptSha256 }),
    segLen: segmentBytes,
    createdAt: new Date(clock.nowMs()).toISOString(),
    dekId: toDekId(dek),
  };
}

export type SealBufferOptions = Omit<SealFilesOptions, 'files' | 'sink' | 'progress'> & {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Memory to write to, reused from call to call; fresh memory costs a page fault every 4 KiB. */
  readonly into?: Uint8Array;
};

/**
 * {@link sealFiles} for one file in memory: reads and writes each byte once, without a sink.
 * @returns the sealed file's bytes (a part of `into` when that is given) with what `sealFiles` returns
 * @throws TypeError when `into` is too short
 */
export function sealBuffer(options: SealBufferOptions): SealedFile & { readonly sealed: Uint8Array } {
  const { name, bytes, dek, random, into, ...rest } = options;
  const source: ByteSource = { label: name, size: bytes.length, read: () => undefined, close: () => undefined };
  const header = toHeader({ ...rest, dek, random, files: [{ name, source }] });
  const preamble = encodeSealHeader(header);
  const params = toFloeParams(header.segLen);
  const floe = createFloeHeader(dek, { params, iv: drawBytes(random, params.ivBytes), aad: preamble });
  const sealedBytes = preamble.length + toFloeBytes(params, bytes.length);
  if (into !== undefined && into.length < sealedBytes) throw new TypeError('the output memory is too short');
  const sealed = into === undefined ? new Uint8Array(sealedBytes) : into.subarray(0, sealedBytes);
  sealed.set(preamble);
  sealed.set(floe.header, preamble.length);
  const perSegment = toSegmentPlaintextBytes(params);
  const count = toFloeSegmentCount(params, bytes.length);
  let at = preamble.length + floe.header.length;
  primeAllocator(bytes.length);
  try {
    for (let position = 0; position < count; position++) {
      const plaintext = bytes.subarray(position * perSegment, (position + 1) * perSegment);
      const iv = drawBytes(random, FLOE_SEGMENT_IV_BYTES);
      const segment = { position, isLast: position === count - 1, plaintext, iv };
      at += encryptFloeSegment(floe.keys, segment, sealed.subarray(at));
    }
  } finally {
    floe.keys.close();
  }
  return { header, dekCheck: floe.header.slice(-32), sealedBytes, sealed };
}

function drawBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  random.fill(bytes);
  return bytes;
}

function writeSegments(keys: FloeKeys, header: SealHeader, options: SealFilesOptions): number {
  const count = toFloeSegmentCount(keys.params, header.ptSize);
  const plaintextSlot = new Uint8Array(toSegmentPlaintextBytes(keys.params));
  const iv = new Uint8Array(FLOE_SEGMENT_IV_BYTES);
  const readNext = createJoinedReader(options.files);
  let written = 0;
  try {
    for (let position = 0; position < count; position++) {
      const isLast = position === count - 1;
      const length = isLast ? header.ptSize - position * plaintextSlot.length : plaintextSlot.length;
      const plaintext = plaintextSlot.subarray(0, length);
      readNext(plaintext);
      options.random.fill(iv);
      const { prefix, ciphertext, tag } = sealFloeSegment(keys, { position, isLast, plaintext, iv });
      options.sink.write(prefix);
      options.sink.write(ciphertext);
      options.sink.write(tag);
      options.progress?.advance(length);
      written += prefix.length + ciphertext.length + tag.length;
    }
  } finally {
    plaintextSlot.fill(0);
  }
  return written;
}

/** Reads the files one after the other as if they were one. */
function createJoinedReader(files: readonly FileToSeal[]): (into: Uint8Array) => void {
  let fileIndex = 0;
  let offset = 0;
  return (into) => {
    for (let at = 0; at < into.length; ) {
      const { source } = files[fileIndex];
      const length = Math.min(into.length - at, source.size - offset);
      source.read(offset, into.subarray(at, at + length));
      at += length;
      offset += length;
      if (offset === source.size && fileIndex < files.length - 1) {
        fileIndex++;
        offset = 0;
      }
    }
  };
}
