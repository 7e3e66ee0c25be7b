/** Byte helpers: hex, joins, big-endian integers, constant-time compare, zeroing. */
import { timingSafeEqual } from 'node:crypto';

/** Lower-case hex of `bytes`. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Bytes of a hex string, or undefined when it is not an even number of hex digits. */
export function findHexBytes(hex: string): Uint8Array | undefined {
  return hex.length % 2 === 0 && /^[0-9a-f]*$/i.test(hex) ? new Uint8Array(Buffer.from(hex, 'hex')) : undefined;
}

/** Standard base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64');
}

/** Each byte as a character, which Node writes as that byte. */
export function toLatin1(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1');
}

/** The same memory. What is one already stays: for few bytes a view takes longer than what is then done with it. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes of standard, padded base64, or undefined when the text is anything else (no whitespace, no URL alphabet). */
export function findBase64Bytes(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  // The last group may carry bits that no byte uses; only zero bits there are the one right spelling.
  const tail = bytes.subarray(bytes.length - (bytes.length % 3 || Math.min(3, bytes.length)));
  if (!text.endsWith(tail.toString('base64'))) return undefined;
  // Small results lie in Node's shared pool and are copied out of it; large ones (whole manifests) are not copied.
  return bytes.length < 4096 ? new Uint8Array(bytes) : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function utf8(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'utf8'));
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The bytes of a block in memory of their own: those of a view are copied, so that they take nothing along that lies beside them. */
export function toOwnMemory(block: Uint8Array): Uint8Array {
  return block.byteLength === block.buffer.byteLength ? block : new Uint8Array(block);
}

/** Big-endian u32 of a safe integer in [0, 2^32). */
export function u32be(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value);
  return out;
}

/** Big-endian u64 of a safe integer in [0, 2^53). */
export function u64be(value: number): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(value));
  return out;
}

/** True when both are equal; time depends on the lengths only. */
export function isEqualConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Overwrites secret bytes in place. Call it in `finally` for every key that was drawn or unwrapped. */
export function zeroize(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

/**
 * A zeroed buffer of its own, for keys: never a slice of Node's shared pool, and outside V8's heap, where arrays of up to
 * 64 bytes otherwise live and the garbage collector leaves copies behind that `zeroize` cannot reach.
 */
export function allocSecret(lengthBytes: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(lengthBytes));
}
