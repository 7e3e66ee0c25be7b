/** The endorsement key of a TPM, and the certificate by which its maker says that it is one (TCG EK Credential Profile). */
import type { KeyObject } from 'node:crypto';
import { concatBytes } from '../core/bytes.ts';
import { TPM_LIMITS } from '../core/limits/tpm.ts';
import { ENDORSEMENT_TEMPLATE, RSA_ENDORSEMENT_TEMPLATE } from './areas.ts';
import { RC } from './codes.ts';
import { isRefusal, type Tpm } from './command.ts';
import { EK_CERTIFICATE, findNv } from './nv.ts';
import { createPrimary, flush, type TpmKey } from './objects.ts';
import { sized } from './wire.ts';

/** P-256 first: a TPM makes it in a moment, and an RSA key in seconds. */
const EK_KINDS = ['p256', 'rsa2048'] as const;
export type EkKind = (typeof EK_KINDS)[number];

const TEMPLATE = { p256: ENDORSEMENT_TEMPLATE, rsa2048: RSA_ENDORSEMENT_TEMPLATE } as const;
/** First index of the certificates between the endorsement key's and the maker's root (section 2.2.1.5.2). */
const CHAIN_FIRST = 0x01c00100;
const SEQUENCE = 0x30;

export interface MakerCertificate {
  readonly kind: EkKind;
  /** DER. */
  readonly certificate: Uint8Array;
  /** DER of certificates of the maker's authorities, as far as the TPM has them. */
  readonly chain: readonly Uint8Array[];
}

/**
 * The certificate of the maker, or undefined where the TPM has none, or something else in its place.
 * @throws TpmError as `execute`
 */
export async function findMakerCertificate(tpm: Tpm): Promise<MakerCertificate | undefined> {
  for (const kind of EK_KINDS) {
    const certificate = splitDer(await readNv(tpm, EK_CERTIFICATE[kind])).at(0);
    if (certificate !== undefined) return { kind, certificate, chain: await readChain(tpm) };
  }
  return undefined;
}

/** Certificates stand one after the other, and may go on in the next index. */
async function readChain(tpm: Tpm): Promise<readonly Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for (let index = 0; index < TPM_LIMITS.chainIndicesMax; index++) {
    const part = await readNv(tpm, CHAIN_FIRST + index);
    if (part.length === 0) break;
    parts.push(part);
  }
  return splitDer(concatBytes(...parts));
}

/** What an index holds; nothing where there is none, or where nothing was written to it. */
async function readNv(tpm: Tpm, index: number): Promise<Uint8Array> {
  try {
    return (await findNv(tpm, index)) ?? new Uint8Array();
  } catch (error) {
    if (isRefusal(error, RC.nvUninitialized)) return new Uint8Array();
    throw error;
  }
}

/** The DER sequences at the start of `bytes`: indices are filled up with other bytes, and some hold nothing else. */
function splitDer(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; bytes.length - at >= 4 && bytes[at] === SEQUENCE && bytes[at + 1] === 0x82; ) {
    const end = at + 4 + bytes[at + 2] * 256 + bytes[at + 3];
    if (end > bytes.length) break;
    found.push(bytes.slice(at, end));
    at = end;
  }
  return found;
}

/** Calls `use` with the endorsement key, and flushes it afterwards. */
export async function withEndorsementKey<T>(tpm: Tpm, kind: EkKind, use: (key: TpmKey) => Promise<T>): Promise<T> {
  const key = await createPrimary(tpm, 'endorsement', TEMPLATE[kind]);
  try {
    return await use(key);
  } finally {
    await flush(tpm, key.handle);
  }
}

/**
 * The public area of the endorsement key that a certificate is of: the standard template with this key in it, or undefined
 * for a key that no template gives.
 */
export function findEndorsementArea(key: KeyObject): Uint8Array | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ec' && details?.namedCurve === 'prime256v1') {
    const { x = '', y = '' } = key.export({ format: 'jwk' });
    return fillTemplate('p256', x, y);
  }
  if (type !== 'rsa' || details?.modulusLength !== 2048 || details.publicExponent !== 65_537n) return undefined;
  const { n = '' } = key.export({ format: 'jwk' });
  return fillTemplate('rsa2048', n);
}

/** What is unique stands at the end of the template, as zeros. @param parts base64url */
function fillTemplate(kind: EkKind, ...parts: readonly string[]): Uint8Array {
  const template = TEMPLATE[kind];
  const unique = concatBytes(...parts.map((part) => sized(new Uint8Array(Buffer.from(part, 'base64url')))));
  return concatBytes(template.subarray(0, template.length - unique.length), unique);
}
