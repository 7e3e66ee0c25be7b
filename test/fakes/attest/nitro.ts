/** A Nitro hypervisor for tests: documents are really signed, under a root of our own. */
import { type Certificate, readCertificate } from '../../../src/attest/x509/certificate.ts';
import { utf8 } from '../../../src/core/bytes.ts';
import { concatBytes, type Issued, issue, type KeyPair, makeP384, signRaw } from './x509.ts';

export type Cbor = number | string | Uint8Array | null | readonly Cbor[] | ReadonlyMap<number | string, Cbor>;

function head(major: number, value: number): Uint8Array {
  const top = major << 5;
  if (value < 24) return Uint8Array.of(top | value);
  if (value < 0x100) return Uint8Array.of(top | 24, value);
  if (value < 0x1_0000) return Uint8Array.of(top | 25, value >> 8, value & 0xff);
  const bytes = new Uint8Array(9);
  bytes[0] = top | 27;
  new DataView(bytes.buffer).setBigUint64(1, BigInt(value));
  if (value >= 0x1_0000_0000) return bytes;
  return Uint8Array.of(top | 26, ...bytes.subarray(5));
}

export function encodeCbor(value: Cbor): Uint8Array {
  if (value === null) return Uint8Array.of(0xf6);
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') return concatBytes(head(3, utf8(value).length), utf8(value));
  if (value instanceof Uint8Array) return concatBytes(head(2, value.length), value);
  if (value instanceof Map) {
    const pairs = [...(value as ReadonlyMap<number | string, Cbor>)].flatMap(([key, item]) => [
      encodeCbor(key),
      encodeCbor(item),
    ]);
    return concatBytes(head(5, value.size), ...pairs);
  }
  const items = value as readonly Cbor[];
  return concatBytes(head(4, items.length), ...items.map(encodeCbor));
}

export interface DocumentSpec {
  readonly signer?: Issued;
  readonly bundle?: readonly Issued[];
  readonly key?: KeyPair;
  readonly hash?: string;
  readonly algorithm?: number;
  readonly protectedHeader?: Cbor;
  readonly fields?: Readonly<Record<string, Cbor | undefined>>;
  readonly isTagged?: boolean;
}

export interface NitroLab {
  readonly root: Certificate;
  readonly rootIssued: Issued;
  readonly leaf: Issued;
  readonly inner: Issued;
  makeDocument(spec?: DocumentSpec): Uint8Array;
}

export const NOW_MS = Date.parse('2025-07-01T01:00:00Z');

export function createNitroLab(): NitroLab {
  const root = issue({ commonName: 'aws.nitro-enclaves', key: makeP384(), isAuthority: true });
  const inner = issue({ commonName: 'us-east-2.aws.nitro-enclaves', key: makeP384(), issuer: root, isAuthority: true });
  const leaf = issue({
    ...{ commonName: 'i-1-enc1.us-east-2.aws', key: makeP384(), issuer: inner },
    ...{ notBefore: '2025-07-01T00:00:00Z', notAfter: '2025-07-01T03:00:00Z' },
  });
  return {
    ...{ root: readCertificate(root.der), rootIssued: root, leaf, inner },
    makeDocument: (spec = {}) => makeDocument({ signer: leaf, bundle: [root, inner], ...spec }),
  };
}

function makeDocument(
  spec: DocumentSpec & { readonly signer: Issued; readonly bundle: readonly Issued[] },
): Uint8Array {
  const pcr = (byte: number) => new Uint8Array(48).fill(byte);
  const fields: Record<string, Cbor | undefined> = {
    module_id: 'i-1-enc1',
    digest: 'SHA384',
    timestamp: NOW_MS,
    pcrs: new Map<number, Cbor>([
      [0, pcr(0xa0)],
      [1, pcr(0xa1)],
      [2, pcr(0xa2)],
      [3, pcr(0)],
    ]),
    certificate: spec.signer.der,
    cabundle: spec.bundle.map(({ der }) => der),
    public_key: null,
    user_data: null,
    nonce: null,
    ...spec.fields,
  };
  const map = new Map<string, Cbor>();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) map.set(name, value);
  const payload = encodeCbor(map);
  const header = encodeCbor(spec.protectedHeader ?? new Map<number, Cbor>([[1, spec.algorithm ?? -35]]));
  const signed = encodeCbor(['Signature1', header, new Uint8Array(), payload]);
  const signature = signRaw(spec.hash ?? 'sha384', signed, spec.key ?? spec.signer.key);
  const message = encodeCbor([header, new Map(), payload, signature]);
  return spec.isTagged === true ? concatBytes(Uint8Array.of(0xd2), message) : message;
}
