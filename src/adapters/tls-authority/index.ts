/** The quick-start certificate authority, through @peculiar/x509 and WebCrypto: ECDSA P-256 with SHA-256. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { zeroize } from '../../core/bytes.ts';
import { TLS_LIMITS } from '../../core/limits/tls.ts';
import type { TlsAuthority, TlsIssued, TlsIssueRequest, TlsPair } from '../../core/tls-authority.ts';
import { toClientNames, toNameConstraints, toServerNames } from './constraints.ts';
import { sealPrivateKey, toPem } from './sealed-key.ts';

const KEYS = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;
const NAME_CONSTRAINTS = '2.5.29.30';
const SUBJECT_ALT_NAME = '2.5.29.17';
const DAY_MS = 86_400_000;
/** Clocks of clients may be behind. */
const BEFORE_MS = 5 * 60_000;

const { subtle } = webcrypto;

interface Authority {
  readonly certificate: X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

export function createTlsAuthority(): TlsAuthority {
  return {
    async issue(request) {
      const authority = await makeAuthority(request);
      const server = await issueLeaf(authority, request, {
        // With a space, so that no verifier takes it for a name of a host.
        commonName: 'Modelward server',
        names: toServerNames(request.names),
        purpose: ExtendedKeyUsage.serverAuth,
      });
      const clients: TlsPair[] = [];
      for (const { name, uri } of request.clients) {
        const purpose = ExtendedKeyUsage.clientAuth;
        clients.push(
          await issueLeaf(authority, request, { commonName: `client ${name}`, names: toClientNames(uri), purpose }),
        );
      }
      return { ...(await toKept(authority, request)), server, clients };
    },
  };
}

/** May sign certificates of servers and clients, none of authorities, and for the given names alone. */
async function makeAuthority({ names, trustDomain, nowMs, passphrase }: TlsIssueRequest): Promise<Authority> {
  // A key that cannot be exported cannot be kept by mistake.
  const keys = await subtle.generateKey(KEYS, passphrase !== null, ['sign', 'verify']);
  const serialNumber = makeSerial();
  const name = `CN=Modelward authority ${serialNumber.slice(0, 8)}`;
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber,
      name,
      notBefore: new Date(nowMs - BEFORE_MS),
      notAfter: new Date(nowMs + (passphrase === null ? TLS_LIMITS.leafDays : TLS_LIMITS.authorityDays) * DAY_MS),
      keys: keys,
      signingAlgorithm: SIGNATURE,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        new Extension(NAME_CONSTRAINTS, true, toOwn(toNameConstraints(names, trustDomain))),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { certificate, keys };
}

interface Leaf {
  readonly commonName: string;
  /** Value of subjectAltName. */
  readonly names: Uint8Array;
  readonly purpose: ExtendedKeyUsage;
}

async function issueLeaf(
  { certificate: issuer, keys: signer }: Authority,
  { nowMs }: TlsIssueRequest,
  { commonName, names, purpose }: Leaf,
): Promise<TlsPair> {
  const keys = await subtle.generateKey(KEYS, true, ['sign', 'verify']);
  const publicKey = keys.publicKey;
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: makeSerial(),
      subject: `CN=${commonName}`,
      issuer: issuer.subject,
      notBefore: new Date(nowMs - BEFORE_MS),
      notAfter: new Date(nowMs + TLS_LIMITS.leafDays * DAY_MS),
      publicKey,
      signingKey: signer.privateKey,
      signingAlgorithm: SIGNATURE,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([purpose]),
        new Extension(SUBJECT_ALT_NAME, false, toOwn(names)),
        await SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
        await AuthorityKeyIdentifierExtension.create(issuer, false, webcrypto),
      ],
    },
    webcrypto,
  );
  const pkcs8 = await exportKey(keys);
  const privateKeyPem = toPem('PRIVATE KEY', pkcs8);
  zeroize(pkcs8);
  return { certificatePem: toText(certificate), privateKeyPem };
}

async function toKept(
  { certificate, keys }: Authority,
  { passphrase }: TlsIssueRequest,
): Promise<Pick<TlsIssued, 'authorityPem' | 'authorityKeyPem'>> {
  const authorityPem = toText(certificate);
  if (passphrase === null) return { authorityPem, authorityKeyPem: null };
  const pkcs8 = await exportKey(keys);
  const authorityKeyPem = await sealPrivateKey(pkcs8, passphrase);
  zeroize(pkcs8);
  return { authorityPem, authorityKeyPem };
}

async function exportKey({ privateKey }: webcrypto.CryptoKeyPair): Promise<Uint8Array> {
  return new Uint8Array(await subtle.exportKey('pkcs8', privateKey));
}

function toText(certificate: X509Certificate): string {
  return `${certificate.toString('pem').trim()}\n`;
}

/** 16 bytes, positive and of full length (RFC 5280, 4.1.2.2). */
function makeSerial(): string {
  const bytes = webcrypto.getRandomValues(Buffer.alloc(16));
  bytes[0] = (bytes[0] & 0x3f) | 0x40;
  return bytes.toString('hex');
}

/** In a buffer of its own: the library takes the whole buffer under a view. */
function toOwn(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
