/**
 * A TPM 2.0 quote: TPMS_ATTEST, its signature TPMT_SIGNATURE, and the PCR values that its digest stands for. Big-endian.
 * @see TCG TPM 2.0 Library, Part 2: Structures, 10.12.8 (TPMS_ATTEST), 11.3.4 (TPMT_SIGNATURE), 10.6.3 (TPMS_PCR_SELECTION)
 */
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { createCursor, type Cursor } from '../cursor.ts';

const MAGIC = 0xff544347;
const ATTEST_QUOTE = 0x8018;

/** TPM_ALG_ID; SHA-1 is left out, neither PCRs nor signatures in it prove anything today. */
const HASHES: Readonly<Record<number, 'sha256' | 'sha384' | 'sha512' | undefined>> = {
  0x000b: 'sha256',
  0x000c: 'sha384',
  0x000d: 'sha512',
};
const SCHEMES: Readonly<Record<number, TpmSignature['scheme'] | undefined>> = {
  0x0014: 'rsassa',
  0x0016: 'rsapss',
  0x0018: 'ecdsa',
};

export interface TpmQuote {
  readonly extraData: Uint8Array;
  readonly clockMs: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
  readonly isSafe: boolean;
  readonly firmwareVersion: bigint;
  /** What was quoted, in the order of the digest: "sha256:0", … */
  readonly selected: readonly string[];
  readonly pcrDigest: Uint8Array;
}

export interface TpmSignature {
  readonly scheme: 'rsassa' | 'rsapss' | 'ecdsa';
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  /** One for RSA; r and s for ECDSA, without leading zeros. */
  readonly numbers: readonly Uint8Array[];
}

function refuse(at: string): never {
  throw new AttestError('ATTEST_EVIDENCE_MALFORMED', { fields: { kind: 'tpm', at } });
}

/** @throws AttestError ATTEST_EVIDENCE_MALFORMED, also for statements that are no quotes */
export function readTpmQuote(bytes: Uint8Array): TpmQuote {
  if (bytes.length > ATTEST_LIMITS.tpmQuoteBytesMax) refuse('size');
  const read = createCursor(bytes, refuse);
  // Only the TPM itself signs what begins so with a restricted key: other data that begins so it refuses to sign.
  if (read.u32be('magic') !== MAGIC) refuse('magic');
  if (read.u16be('type') !== ATTEST_QUOTE) refuse('type');
  takeSized(read, 'qualifiedSigner');
  const quote = {
    extraData: takeSized(read, 'extraData'),
    clockMs: read.u64be('clock'),
    resetCount: read.u32be('resetCount'),
    restartCount: read.u32be('restartCount'),
    isSafe: read.u8('safe') === 1,
    firmwareVersion: read.u64be('firmwareVersion'),
    selected: readSelection(read),
    pcrDigest: takeSized(read, 'pcrDigest'),
  };
  return read.left === 0 ? quote : refuse('bytes after the quote');
}

function takeSized(read: Cursor, name: string): Uint8Array {
  return read.take(read.u16be(name), name);
}

function readSelection(read: Cursor): string[] {
  const banks = read.u32be('pcrSelect');
  if (banks > ATTEST_LIMITS.tpmBanksMax) refuse('pcrSelect');
  const selected: string[] = [];
  for (let bank = 0; bank < banks; bank++) {
    const hash = HASHES[read.u16be('pcrSelect')] ?? refuse('PCR bank');
    const bits = read.take(read.u8('pcrSelect'), 'pcrSelect');
    if (bits.length * 8 > ATTEST_LIMITS.tpmPcrsMax) refuse('pcrSelect');
    for (let number = 0; number < bits.length * 8; number++) {
      if ((bits[number >> 3] & (1 << (number & 7))) !== 0) selected.push(`${hash}:${number}`);
    }
  }
  return new Set(selected).size === selected.length ? selected : refuse('pcrSelect');
}

/** @throws AttestError ATTEST_EVIDENCE_MALFORMED */
export function readTpmSignature(bytes: Uint8Array): TpmSignature {
  if (bytes.length > ATTEST_LIMITS.tpmSignatureBytesMax) refuse('signature size');
  const read = createCursor(bytes, refuse);
  const scheme = SCHEMES[read.u16be('signature scheme')] ?? refuse('signature scheme');
  const hash = HASHES[read.u16be('signature hash')] ?? refuse('signature hash');
  const numbers = (scheme === 'ecdsa' ? ['r', 's'] : ['signature']).map((name) => takeSized(read, name));
  return read.left === 0 ? { scheme, hash, numbers } : refuse('bytes after the signature');
}
