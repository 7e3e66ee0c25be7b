/** Sealing: one or several files into one immutable sealed file, streaming (docs/spec/sealed-model.md). */
import { zeroize } from '../core/bytes.ts';
import { SealError } from '../core/errors.ts';
import { SEAL_LIMITS } from '../core/limits/seal.ts';
import { type Clock, type Progress, type Random, silentProgress } from '../core/ports.ts';
import type { ByteSink, ByteSource } from '../source/ports.ts';
import { primeAllocator } from './allocator.ts';
import { createFiller, createFloeHeader, sealFloeSegment, type TakePart } from './floe.ts';
import {
  FLOE_SEGMENT_IV_BYTES,
  type FloeParams,
  toFloeBytes,
  toFloeParams,
  toFloeSegmentCount,
  toSegmentPlaintextBytes,
} from './floe-params.ts';
import { encodeSealHeader, type SealHeader, toDekId } from './header.ts';
import { findNameFault, hasNameClash } from './names.ts';
import { createUuidV7 } from '../core/uuid.ts';

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
  return finish(sealStepwise(options));
}

/**
 * {@link sealFiles} that gives the event loop a turn after every segment, so that signals are heard: a sink may be slow.
 * @throws as `sealFiles`
 */
export async function sealFilesInTurns(options: SealFilesOptions): Promise<SealedFile> {
  const steps = sealStepwise(options);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    await new Promise((resume) => setImmediate(resume));
  }
}

/** Stops after every segment. */
type SealSteps = Generator<undefined, SealedFile, undefined>;

function finish(steps: SealSteps): SealedFile {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

function* sealStepwise(options: SealFilesOptions): SealSteps {
  const { files, sink, progress = silentProgress } = options;
  const layout = toLayout(options);
  const plaintext = new Uint8Array(toSegmentPlaintextBytes(layout.params));
  const readNext = createJoinedReader(files);
  const plaintextAt = (start: number, end: number): Uint8Array => {
    const part = plaintext.subarray(0, end - start);
    readNext(part);
    return part;
  };
  const take: TakePart = (part) => {
    sink.write(part);
  };
  try {
    return yield* sealInOrder(layout, options, { plaintextAt, take, progress });
  } finally {
    zeroize(plaintext);
  }
}

/** {@link sealFiles} for a model of one file, named after the source's label. */
export function sealSource(
  options: Omit<SealFilesOptions, 'files'> & { readonly source: ByteSource; readonly name?: string },
): SealedFile {
  const { source, name = source.label, ...rest } = options;
  return sealFiles({ ...rest, files: [{ name, source }] });
}

/** All that is known of a sealed file before its first segment. */
interface SealLayout {
  readonly header: SealHeader;
  readonly preamble: Uint8Array;
  readonly params: FloeParams;
  readonly sealedBytes: number;
}

function toLayout(options: Omit<SealFilesOptions, 'sink'>): SealLayout {
  const header = toHeader(options);
  const preamble = encodeSealHeader(header);
  const params = toFloeParams(header.segLen);
  return { header, preamble, params, sealedBytes: preamble.length + toFloeBytes(params, header.ptSize) };
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
  const { name, bytes, into, ...rest } = options;
  const source: ByteSource = { label: name, size: bytes.length, read: () => undefined, close: () => undefined };
  const layout = toLayout({ ...rest, files: [{ name, source }] });
  const { sealedBytes } = layout;
  if (into !== undefined && into.length < sealedBytes) throw new TypeError('the output memory is too short');
  const sealed = into === undefined ? new Uint8Array(sealedBytes) : into.subarray(0, sealedBytes);
  const plaintextAt = (start: number, end: number): Uint8Array => bytes.subarray(start, end);
  const take = createFiller(sealed);
  return { ...finish(sealInOrder(layout, options, { plaintextAt, take, progress: silentProgress })), sealed };
}

function drawBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  random.fill(bytes);
  return bytes;
}

interface SealFlow {
  /** Plaintext from `start` to `end`; asked for once for every segment, in order. */
  readonly plaintextAt: (start: number, end: number) => Uint8Array;
  /** Gets the sealed file part by part. */
  readonly take: TakePart;
  readonly progress: Progress;
}

function* sealInOrder(
  layout: SealLayout,
  { dek, random }: { readonly dek: Uint8Array; readonly random: Random },
  { plaintextAt, take, progress }: SealFlow,
): SealSteps {
  const { header, preamble, params, sealedBytes } = layout;
  const floe = createFloeHeader(dek, { params, iv: drawBytes(random, params.ivBytes), aad: preamble });
  const perSegment = toSegmentPlaintextBytes(params);
  const count = toFloeSegmentCount(params, header.ptSize);
  primeAllocator(header.ptSize);
  try {
    take(preamble);
    take(floe.header);
    progress.step('seal', header.ptSize, 'bytes');
    for (let position = 0; position < count; position++) {
      const start = position * perSegment;
      const plaintext = plaintextAt(start, Math.min(start + perSegment, header.ptSize));
      const iv = drawBytes(random, FLOE_SEGMENT_IV_BYTES);
      sealFloeSegment(floe.keys, { position, isLast: position === count - 1, plaintext, iv }, take);
      progress.advance(plaintext.length);
      if (position < count - 1) yield;
    }
    progress.done();
    return { header, dekCheck: floe.header.slice(-32), sealedBytes };
  } finally {
    floe.keys.close();
  }
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
