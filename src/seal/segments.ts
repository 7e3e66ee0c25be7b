/** Decrypt-on-read access to an opened seal: whole segments are checked before any of their bytes is handed out. */
import { zeroize } from '../core/bytes.ts';
import { SourceError } from '../core/errors.ts';
import type { ByteSource } from '../source/ports.ts';
import { createFiller, openFloeHeader, openFloeSegment } from './floe.ts';
import { toFloeSegmentCount, toSegmentPlaintextBytes } from './floe-params.ts';
import type { SealInfo } from './header.ts';

interface Slot {
  /** -1 while it holds no segment. */
  position: number;
  lastUse: number;
  /** As long as the longest segment; the last one fills less of it. */
  readonly plaintext: Uint8Array;
}

/** The plaintext of a seal as one run of bytes, all files joined. */
export interface SegmentReader {
  /** Fills `into` from `offset`; bytes of a segment that fails never get there. @throws SealError SEAL_AUTH_FAILED */
  read(offset: number, into: Uint8Array): void;
  /** Wipes keys and every plaintext byte kept. */
  close(): void;
}

/**
 * Checks the header tag under `dek`, before any segment is read, and gives access to the segments.
 * @throws SealError SEAL_AUTH_FAILED
 */
export function openSegments(
  source: ByteSource,
  info: SealInfo,
  options: { readonly dek: Uint8Array; readonly cachedSegments: number },
): SegmentReader {
  const { params, header } = info;
  const { dek, cachedSegments } = options;
  const keys = openFloeHeader(dek, { params, aad: info.preamble, header: info.floeHeader });
  const count = toFloeSegmentCount(params, header.ptSize);
  const perSegment = toSegmentPlaintextBytes(params);
  const sealed = new Uint8Array(params.segmentBytes);
  const slots: Slot[] = [];
  let useCount = 0;
  let isClosed = false;

  const load = (position: number): Slot => {
    if (isClosed) throw new TypeError('the seal is closed');
    const cached = slots.find((slot) => slot.position === position);
    if (cached !== undefined) {
      cached.lastUse = ++useCount;
      return cached;
    }
    const slot = takeSlot(slots, cachedSegments, Math.min(perSegment, header.ptSize));
    const start = info.segmentsStart + position * params.segmentBytes;
    const bytes = sealed.subarray(0, Math.min(params.segmentBytes, source.size - start));
    source.read(start, bytes);
    openFloeSegment(keys, { position, isLast: position === count - 1, bytes }, createFiller(slot.plaintext));
    slot.position = position;
    slot.lastUse = ++useCount;
    return slot;
  };

  return {
    read(offset, into) {
      assertRange(source.label, { offset, length: into.length, sizeBytes: header.ptSize });
      for (let at = 0; at < into.length; ) {
        const position = Math.floor((offset + at) / perSegment);
        const slot = load(position);
        const from = offset + at - position * perSegment;
        const length = Math.min(perSegment - from, into.length - at);
        into.set(slot.plaintext.subarray(from, from + length), at);
        at += length;
      }
    },
    close() {
      isClosed = true;
      keys.close();
      zeroize(sealed, ...slots.map((slot) => slot.plaintext));
      slots.length = 0;
    },
  };
}

/** A slot to fill: a new one, or the one that was not used for longest. */
function takeSlot(slots: Slot[], slotsMax: number, plaintextBytes: number): Slot {
  if (slots.length < slotsMax) {
    const slot = { position: -1, lastUse: 0, plaintext: new Uint8Array(plaintextBytes) };
    slots.push(slot);
    return slot;
  }
  const oldest = slots.reduce((least, slot) => (slot.lastUse < least.lastUse ? slot : least));
  oldest.position = -1;
  return oldest;
}

/** @throws SourceError SOURCE_SHORT_READ when the range leaves `sizeBytes` */
export function assertRange(label: string, range: { offset: number; length: number; sizeBytes: number }): void {
  const { offset, length, sizeBytes } = range;
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > sizeBytes) {
    throw new SourceError('SOURCE_SHORT_READ', { fields: { file: label, offset, length, sizeBytes } });
  }
}
