/** The preamble of a sealed file: magic, version, length, canonical JSON header (docs/spec/sealed-model.md section 2). */
import { concatBytes, toHex, u32be, utf8 } from '../core/bytes.ts';
import { toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { SealError } from '../core/errors.ts';
import { hkdfSha256 } from '../core/hash.ts';
import { SEAL_LIMITS } from '../core/limits/seal.ts';
import type { ByteSource } from '../source/ports.ts';
import { type FloeParams, toFloeBytes, toFloeHeaderBytes, toFloeParams } from './floe-params.ts';
import { findNameFault, hasNameClash } from './names.ts';
import { findFaults, freeText, hexOf, integer, isText, listOf, objectOf, sealIdText, timeText } from './shape.ts';

/** "MWSEAL", a line feed (a transfer in text mode shows), the version. */
const MAGIC = utf8('MWSEAL\n');
const VERSION = 1;
const FIXED_BYTES = 12;

/** What a sealed file says about itself, readable without a key; authentic only once the seal is open. */
export type SealHeader = Readonly<{
  v: typeof VERSION;
  sealId: string;
  model: SealedModel;
  format: string;
  files: readonly SealedFileEntry[];
  /** Bytes of all files together. */
  ptSize: number;
  ptSha256?: string | undefined;
  segLen: number;
  createdAt: string;
  dekId: string;
}>;

export type SealedModel = Readonly<{
  name: string;
  version?: string | undefined;
}>;

export type SealedFileEntry = Readonly<{
  name: string;
  size: number;
}>;

const headerShape = objectOf<SealHeader>(
  {
    v: integer(VERSION, VERSION),
    sealId: sealIdText,
    model: objectOf<SealedModel>({ name: freeText, version: freeText }, ['version']),
    format: freeText,
    files: listOf(objectOf<SealedFileEntry>({ name: isText, size: integer(0) }), SEAL_LIMITS.filesMax),
    ptSize: integer(0),
    ptSha256: hexOf(32),
    segLen: integer(SEAL_LIMITS.segmentBytesMin, SEAL_LIMITS.segmentBytesMax),
    createdAt: timeText,
    dekId: hexOf(16),
  },
  ['ptSha256'],
);

/** A header read from a file whose size fits it. Nothing in it is authenticated yet. */
export interface SealInfo {
  readonly header: SealHeader;
  /** FLOE header tag, 32 bytes: the commitment to the data key that the key envelope repeats. */
  readonly dekCheck: Uint8Array;
  /** Every byte before the FLOE header; FLOE's associated data. */
  readonly preamble: Uint8Array;
  readonly floeHeader: Uint8Array;
  readonly params: FloeParams;
  /** Offset of the first segment in the file. */
  readonly segmentsStart: number;
}

/** A public name for a data key: it shows that two seals share one, and nothing else. */
export function toDekId(dek: Uint8Array): string {
  return toHex(hkdfSha256(dek, new Uint8Array(), 'modelward/seal/v1/dek-id', 16));
}

/** The preamble's bytes. */
export function encodeSealHeader(header: SealHeader): Uint8Array {
  const json = toCanonicalJsonBytes(header);
  if (json.length > SEAL_LIMITS.headerBytesMax) {
    throw new SealError('SEAL_HEADER_INVALID', {
      message: 'The names of the model and its files are too long for the header of a seal.',
      fields: { headerBytes: json.length, headerBytesMax: SEAL_LIMITS.headerBytesMax },
    });
  }
  return concatBytes(MAGIC, Uint8Array.of(VERSION), u32be(json.length), json);
}

/** True when the source starts like a sealed file of any version. */
export function isSeal(source: ByteSource): boolean {
  if (source.size < FIXED_BYTES) return false;
  const start = new Uint8Array(MAGIC.length);
  source.read(0, start);
  return toHex(start) === toHex(MAGIC);
}

/**
 * Reads and checks the header, and compares the sizes that it claims with the file's before anything else is read.
 * Needs no key and proves nothing about the origin of the file.
 * @throws SealError SEAL_NOT_A_SEAL | SEAL_VERSION_UNKNOWN | SEAL_HEADER_INVALID | SEAL_SIZE_MISMATCH
 * @see docs/spec/sealed-model.md
 */
export function readSealHeader(source: ByteSource): SealInfo {
  if (!isSeal(source)) throw new SealError('SEAL_NOT_A_SEAL', { fields: { file: source.label } });
  const fixed = new Uint8Array(FIXED_BYTES);
  source.read(0, fixed);
  if (fixed[MAGIC.length] !== VERSION) {
    throw new SealError('SEAL_VERSION_UNKNOWN', { fields: { file: source.label, version: fixed[MAGIC.length] } });
  }
  const headerBytes = new DataView(fixed.buffer).getUint32(8);
  if (headerBytes > SEAL_LIMITS.headerBytesMax) throw headerError(source, 'length', headerBytes);
  if (FIXED_BYTES + headerBytes > source.size) throw sizeError(source, FIXED_BYTES + headerBytes);
  const preamble = new Uint8Array(FIXED_BYTES + headerBytes);
  source.read(0, preamble);
  const header = parseHeader(source, preamble.subarray(FIXED_BYTES));
  const params = toFloeParams(header.segLen);
  const expectedBytes = preamble.length + toFloeBytes(params, header.ptSize);
  if (expectedBytes !== source.size) throw sizeError(source, expectedBytes);
  const floeHeader = new Uint8Array(toFloeHeaderBytes(params));
  source.read(preamble.length, floeHeader);
  const segmentsStart = preamble.length + floeHeader.length;
  return { header, dekCheck: floeHeader.slice(-32), preamble, floeHeader, params, segmentsStart };
}

function parseHeader(source: ByteSource, bytes: Uint8Array): SealHeader {
  const value = parseJson(source, bytes);
  const members = findFaults(headerShape, value, 'header');
  if (members.length > 0) throw new SealError('SEAL_HEADER_INVALID', { fields: { file: source.label, members } });
  const header = value as SealHeader;
  const names = header.files.map((file) => file.name);
  if (names.some((name) => findNameFault(name) !== undefined) || hasNameClash(names)) {
    throw headerError(source, 'files', names.length);
  }
  // Only one spelling may exist: duplicate members, spaces and escapes would let two readers see two headers.
  if (toHex(toCanonicalJsonBytes(header)) !== toHex(bytes)) throw headerError(source, 'not canonical', 0);
  const total = header.files.reduce((sum, file) => sum + file.size, 0);
  if (total !== header.ptSize || !Number.isSafeInteger(total)) throw headerError(source, 'ptSize', header.ptSize);
  return header;
}

function parseJson(source: ByteSource, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw headerError(source, 'not JSON', bytes.length);
  }
}

function headerError(source: ByteSource, fault: string, value: number): SealError {
  return new SealError('SEAL_HEADER_INVALID', { fields: { file: source.label, fault, value } });
}

function sizeError(source: ByteSource, expectedBytes: number): SealError {
  return new SealError('SEAL_SIZE_MISMATCH', {
    fields: { file: source.label, sizeBytes: source.size, expectedBytes },
  });
}
