/** Opening: a seal as byte sources that decrypt what is read, or streamed into sinks (docs/spec/sealed-model.md). */
import { zeroize } from '../core/bytes.ts';
import { SourceError } from '../core/errors.ts';
import { SEAL_LIMITS } from '../core/limits/seal.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import { openBufferSource } from '../source/buffer.ts';
import type { ByteSink, ByteSource, SourceFolder } from '../source/ports.ts';
import { primeAllocator } from './allocator.ts';
import { createFiller, openFloeHeader, openFloeSegment, type TakePart } from './floe.ts';
import { FLOE_SEGMENT_OVERHEAD_BYTES, toFloeBytes, toFloeSegmentCount } from './floe-params.ts';
import { readSealHeader, type SealHeader, type SealInfo } from './header.ts';
import { findNameFault } from './names.ts';
import { assertRange, openSegments, type SegmentReader } from './segments.ts';

/** An open seal. All sources read through one small cache of decrypted segments. */
export interface OpenedSeal {
  readonly header: SealHeader;
  /** The model's main file. Closing it closes the seal. */
  readonly main: ByteSource;
  /** Every file of the model by the name that the model uses. */
  readonly folder: SourceFolder;
  /** Wipes keys and decrypted segments and closes the sealed source. */
  close(): void;
}

/**
 * Opens a seal for reading. The tag of the header is checked under `dek` before any segment is read; every read decrypts
 * only the segments that it touches. Takes over `source` on success.
 * @param options.dek 32 bytes; not kept, the caller wipes it
 * @throws SealError SEAL_NOT_A_SEAL | SEAL_VERSION_UNKNOWN | SEAL_HEADER_INVALID | SEAL_SIZE_MISMATCH | SEAL_AUTH_FAILED
 * @see docs/spec/sealed-model.md
 */
export function openSeal(options: { readonly source: ByteSource; readonly dek: Uint8Array }): OpenedSeal {
  const { source, dek } = options;
  const info = readSealHeader(source);
  const reader = openSegments(source, info, { dek, cachedSegments: SEAL_LIMITS.cachedSegments });
  const close = (): void => {
    reader.close();
    source.close();
  };
  const starts = toFileStarts(info.header);
  const view = (index: number, onClose: () => void): ByteSource => {
    const { name, size } = info.header.files[index];
    const label = name.slice(name.lastIndexOf('/') + 1);
    return toRangeSource(reader, { label, start: starts[index], size, onClose });
  };
  return {
    header: info.header,
    main: view(0, close),
    folder: {
      label: source.label,
      open(name) {
        if (findNameFault(name) !== undefined) throw new SourceError('SOURCE_OUTSIDE_FOLDER', { fields: { name } });
        const index = info.header.files.findIndex((file) => file.name === name);
        if (index < 0) throw new SourceError('SOURCE_NOT_FOUND', { fields: { name, file: source.label } });
        return view(index, () => undefined);
      },
    },
    close,
  };
}

/** The main file of {@link openSeal}; closing it wipes the keys and closes `source`. */
export function openSealSource(options: { readonly source: ByteSource; readonly dek: Uint8Array }): ByteSource {
  return openSeal(options).main;
}

/**
 * Decrypts every file in order into sinks. A segment is checked before any byte of it is written, but the end of the
 * file is only reached last: write to a file without its final name, and publish it when this returns.
 * @param options.sinkFor called once per file, before its first byte
 * @throws SealError as {@link openSeal}
 */
export function openSealTo(options: {
  readonly source: ByteSource;
  readonly dek: Uint8Array;
  readonly sinkFor: (name: string, sizeBytes: number) => ByteSink;
  readonly progress?: Progress;
}): SealHeader {
  const { source, dek, sinkFor, progress = silentProgress } = options;
  const info = readSealHeader(source);
  const sealed = new Uint8Array(info.params.segmentBytes);
  const sealedAt = (start: number, end: number): Uint8Array => {
    const part = sealed.subarray(0, end - start);
    source.read(start, part);
    return part;
  };
  openInOrder(info, dek, { sealedAt, take: createSplitter(info.header.files, sinkFor), progress });
  return info.header;
}

/**
 * Opens a sealed file in memory; all its files come joined, as in the header's order.
 * @returns the plaintext, a part of `into` when that is given; nothing of it is left when this throws
 * @throws TypeError when `into` is too short
 * @throws SealError as {@link openSeal}
 */
export function openSealBuffer(options: {
  readonly sealed: Uint8Array;
  readonly dek: Uint8Array;
  /** Memory to write to, reused from call to call. */
  readonly into?: Uint8Array;
}): Uint8Array {
  const { sealed, dek, into } = options;
  const info = readSealHeader(openBufferSource('sealed', sealed));
  const { ptSize } = info.header;
  if (into !== undefined && into.length < ptSize) throw new TypeError('the output memory is too short');
  const plaintext = into === undefined ? new Uint8Array(ptSize) : into.subarray(0, ptSize);
  const sealedAt = (start: number, end: number): Uint8Array => sealed.subarray(start, end);
  try {
    openInOrder(info, dek, { sealedAt, take: createFiller(plaintext), progress: silentProgress });
    return plaintext;
  } catch (error) {
    zeroize(plaintext);
    throw error;
  }
}

interface OpenFlow {
  /** Bytes of the sealed file from `start` to `end`; asked for once for every segment, in order. */
  readonly sealedAt: (start: number, end: number) => Uint8Array;
  /** Gets the plaintext of checked segments, part by part. */
  readonly take: TakePart;
  readonly progress: Progress;
}

function openInOrder(info: SealInfo, dek: Uint8Array, { sealedAt, take, progress }: OpenFlow): void {
  const { header, params, preamble, floeHeader, segmentsStart } = info;
  const keys = openFloeHeader(dek, { params, aad: preamble, header: floeHeader });
  const count = toFloeSegmentCount(params, header.ptSize);
  const sealedBytes = preamble.length + toFloeBytes(params, header.ptSize);
  primeAllocator(header.ptSize);
  try {
    progress.step('open', header.ptSize, 'bytes');
    for (let position = 0; position < count; position++) {
      const start = segmentsStart + position * params.segmentBytes;
      const bytes = sealedAt(start, Math.min(start + params.segmentBytes, sealedBytes));
      openFloeSegment(keys, { position, isLast: position === count - 1, bytes }, take);
      progress.advance(bytes.length - FLOE_SEGMENT_OVERHEAD_BYTES);
    }
    progress.done();
  } finally {
    keys.close();
  }
}

const noSink: ByteSink = {
  write() {
    throw new TypeError('internal error: plaintext without a file');
  },
};

/** Cuts joined plaintext back into files; empty files get their sink too. */
function createSplitter(files: SealHeader['files'], sinkFor: (name: string, sizeBytes: number) => ByteSink): TakePart {
  let fileIndex = -1;
  let left = 0;
  let sink: ByteSink = noSink;
  const advance = (): void => {
    while (left === 0 && fileIndex < files.length - 1) {
      const { name, size } = files[++fileIndex];
      sink = sinkFor(name, size);
      left = size;
    }
  };
  return (plaintext) => {
    for (let at = 0; at < plaintext.length; ) {
      advance();
      const length = Math.min(left, plaintext.length - at);
      sink.write(plaintext.subarray(at, at + length));
      at += length;
      left -= length;
    }
    advance();
  };
}

function toFileStarts(header: SealHeader): number[] {
  const starts: number[] = [];
  let at = 0;
  for (const { size } of header.files) {
    starts.push(at);
    at += size;
  }
  return starts;
}

function toRangeSource(
  reader: SegmentReader,
  range: { readonly label: string; readonly start: number; readonly size: number; readonly onClose: () => void },
): ByteSource {
  const { label, start, size } = range;
  return {
    label,
    size,
    read(offset, into) {
      assertRange(label, { offset, length: into.length, sizeBytes: size });
      reader.read(start + offset, into);
    },
    close: range.onClose,
  };
}
