/** Certificates of a server on this machine, under an authority of the test's own. */
import { concatBytes, encodeDer, type Issued, issue, makeP256, seq } from '../fakes/attest/x509.ts';

export interface ServerIdentity {
  readonly certificatePem: Uint8Array;
  readonly privateKeyPem: Uint8Array;
  readonly caPem: Uint8Array;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

export function makeServerIdentity(): ServerIdentity {
  const notAfter = '2049-01-01T00:00:00Z';
  const ca: Issued = issue({ commonName: 'test authority', key: makeP256(), isAuthority: true, notAfter });
  // GeneralName: dNSName [2], iPAddress [7].
  const names = seq(encodeDer(0x82, utf8('localhost')), encodeDer(0x87, Uint8Array.of(127, 0, 0, 1)));
  const extensions = [{ oid: '2.5.29.17', value: names }];
  const leaf = issue({
    commonName: 'localhost',
    key: makeP256(),
    issuer: ca,
    serial: 2,
    keyUsage: 0x80,
    extensions,
    notAfter,
  });
  return {
    certificatePem: concatBytes(utf8(leaf.pem), utf8(ca.pem)),
    privateKeyPem: utf8(leaf.key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string),
    caPem: utf8(ca.pem),
  };
}
