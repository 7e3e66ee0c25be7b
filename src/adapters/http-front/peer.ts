/** Who is at the other end of a connection. */
import type { X509Certificate } from 'node:crypto';
import type { Peer, PeerCertificate } from '../../gateway/ports.ts';

/** Names of one certificate that are kept; usual ones have one or two. */
const NAMES_MAX = 64;

/** IPv4 addresses as such also out of their IPv6 form; without a zone. */
export function toPeer(remoteAddress: string | undefined, certificate: PeerCertificate | null): Peer {
  const text = (remoteAddress ?? '').split('%', 1)[0];
  return { address: text.startsWith('::ffff:') && text.includes('.') ? text.slice(7) : text, certificate };
}

/** What is kept of a certificate that was verified. */
export function toPeerCertificate(certificate: X509Certificate): PeerCertificate {
  return {
    subjectAltNames: parseAltNames(certificate.subjectAltName ?? ''),
    sha256Hex: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    endsMs: Date.parse(certificate.validTo),
  };
}

/** As Node's text names them, and as the gateway does. */
const KINDS: Readonly<Record<string, string | undefined>> = {
  DNS: 'DNS',
  URI: 'URI',
  'IP Address': 'IP',
  email: 'email',
};

/**
 * Names of Node's text. Values in which a comma or quote could be taken for the next name are quoted there as JSON strings
 * (CVE-2021-44532); other kinds of names are left out.
 */
export function parseAltNames(text: string): string[] {
  const names: string[] = [];
  const pattern = /([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/gy;
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    at += match[0].length;
    const kind = KINDS[match[1]];
    if (kind !== undefined) names.push(`${kind}:${unquote(match[2])}`);
  }
  // A text that is not understood whole is not understood at all.
  return at === text.length ? names.slice(0, NAMES_MAX) : [];
}

function unquote(value: string): string {
  return value.startsWith('"') ? (JSON.parse(value) as string) : value;
}
