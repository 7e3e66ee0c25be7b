/** Extensions of names, as DER: what a certificate is made out to, and what an authority can vouch for (RFC 5280, 4.2.1.6 and 4.2.1.10). */
import { concatBytes, utf8 } from '../../core/bytes.ts';
import { encodeDer, TAG } from '../../core/der.ts';
import type { TlsName } from '../../core/tls-authority.ts';

/** Of GeneralName. */
const NAME = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const;
const PERMITTED = 0xa0;
const EXCLUDED = 0xa1;

/** Value of subjectAltName: names of a server. */
export function toServerNames(names: readonly TlsName[]): Uint8Array {
  const parts = names.map((name) =>
    name.kind === 'dns' ? encodeDer(NAME.dns, utf8(name.text)) : encodeDer(NAME.ip, name.bytes),
  );
  return encodeDer(TAG.sequence, ...parts);
}

/** Value of subjectAltName: the SPIFFE id of a client. */
export function toClientNames(uri: string): Uint8Array {
  return encodeDer(TAG.sequence, encodeDer(NAME.uri, utf8(uri)));
}

/**
 * Value of nameConstraints: the DNS names (and, since the form knows no others, those below them), the addresses alone, and
 * URIs and mail of the trust domain. A kind of which nothing is permitted is excluded whole: what is not named is open.
 */
export function toNameConstraints(names: readonly TlsName[], trustDomain: string): Uint8Array {
  const subtree = (tag: number, value: Uint8Array): Uint8Array => encodeDer(TAG.sequence, encodeDer(tag, value));
  const hosts = names.filter(({ kind }) => kind === 'dns').map(({ text }) => subtree(NAME.dns, utf8(text)));
  const addresses = names.flatMap((name) =>
    name.kind === 'ip' ? [subtree(NAME.ip, concatBytes(name.bytes, new Uint8Array(name.bytes.length).fill(0xff)))] : [],
  );
  const others = [subtree(NAME.email, utf8(trustDomain)), subtree(NAME.uri, utf8(trustDomain))];
  const excluded = [
    ...(hosts.length === 0 ? [subtree(NAME.dns, new Uint8Array())] : []),
    // All addresses of both families: an address and a mask of zeros.
    ...(addresses.length === 0 ? [8, 32].map((length) => subtree(NAME.ip, new Uint8Array(length))) : []),
  ];
  const permitted = encodeDer(PERMITTED, ...hosts, ...addresses, ...others);
  return encodeDer(TAG.sequence, permitted, ...(excluded.length === 0 ? [] : [encodeDer(EXCLUDED, ...excluded)]));
}
