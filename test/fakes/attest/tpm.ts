/** A TPM for tests: its quotes are really signed. */
import { constants, createHash, sign } from 'node:crypto';
import { concatBytes, toPem, type KeyPair } from './x509.ts';

const u16 = (value: number) => Uint8Array.of(value >> 8, value & 0xff);
const u32 = (value: number) => concatBytes(u16(value >>> 16), u16(value & 0xffff));
const sized = (bytes: Uint8Array) => concatBytes(u16(bytes.length), bytes);

export const PCRS: Readonly<Record<string, Uint8Array>> = {
  'sha256:0': new Uint8Array(32).fill(0x10),
  'sha256:7': new Uint8Array(32).fill(0x17),
  'sha384:10': new Uint8Array(48).fill(0x3a),
};

export interface TpmQuoteSpec {
  readonly extraData?: Uint8Array;
  readonly pcrs?: Readonly<Record<string, Uint8Array>>;
  readonly magic?: number;
  readonly type?: number;
  readonly tail?: Uint8Array;
  /** TPML_PCR_SELECTION: count, then hash, size and bits of each bank. */
  readonly selection?: Uint8Array;
}

/** A bank's hash algorithm and the three bytes of bits. */
export const toBank = (hash: number, ...bits: readonly [number, number, number]) =>
  concatBytes(u16(hash), Uint8Array.of(3, ...bits));
export const toSelection = (...banks: readonly Uint8Array[]) => concatBytes(u32(banks.length), ...banks);

/** Selects what PCRS holds. */
export function makeTpmQuote(spec: TpmQuoteSpec = {}): Uint8Array {
  const { extraData = new Uint8Array(20).fill(5), pcrs = PCRS, magic = 0xff544347, type = 0x8018 } = spec;
  const digest = createHash('sha256');
  for (const value of Object.values(pcrs)) digest.update(value);
  return concatBytes(
    u32(magic),
    u16(type),
    sized(new Uint8Array(34)),
    sized(extraData),
    concatBytes(u32(0), u32(123_456), u32(4), u32(5), Uint8Array.of(1)),
    new Uint8Array(8).fill(0x20),
    spec.selection ?? toSelection(toBank(0x000b, 0x81, 0, 0), toBank(0x000c, 0, 0x04, 0)),
    sized(new Uint8Array(digest.digest())),
    spec.tail ?? new Uint8Array(),
  );
}

export type Scheme = 'ecdsa' | 'rsassa' | 'rsapss';

export function signTpm(quote: Uint8Array, { privateKey }: KeyPair, scheme: Scheme): Uint8Array {
  const algorithm = { rsassa: 0x0014, rsapss: 0x0016, ecdsa: 0x0018 }[scheme];
  const head = concatBytes(u16(algorithm), u16(0x000b));
  if (scheme === 'ecdsa') {
    const raw = sign('sha256', quote, { key: privateKey, dsaEncoding: 'ieee-p1363' });
    // TPMs leave out leading zeros.
    const numbers = [raw.subarray(0, 32), raw.subarray(32)].map((part) =>
      part.subarray(part.findIndex((byte) => byte !== 0)),
    );
    return concatBytes(head, ...numbers.map(sized));
  }
  const padding = scheme === 'rsapss' ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  return concatBytes(head, sized(sign('sha256', quote, { key: privateKey, padding })));
}

export function toAkPem({ publicKey }: KeyPair): string {
  return toPem('PUBLIC KEY', new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })));
}
