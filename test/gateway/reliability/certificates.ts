/** A server's certificate for loopback, in files as the front takes them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HttpFrontTls } from '../../../src/adapters/http-front/index.ts';
import { encodeDer, issue, makeP256, seq } from '../../fakes/attest/x509.ts';

const notAfter = '2049-01-01T00:00:00Z';

/** @param name of the authority: clients that trust two of one name take the wrong one */
export function makeServerFiles(folder: string, name = 'test authority'): HttpFrontTls & { readonly ca: string } {
  const authority = issue({ commonName: name, key: makeP256(), isAuthority: true, notAfter });
  const names = seq(encodeDer(0x82, Buffer.from('localhost')), encodeDer(0x87, Uint8Array.of(127, 0, 0, 1)));
  const key = makeP256();
  const extensions = [{ oid: '2.5.29.17', value: names }];
  const server = issue({ commonName: 'server', key, issuer: authority, extensions, notAfter });
  const [certificatePath, privateKeyPath] = [join(folder, 'server.pem'), join(folder, 'server.key')];
  writeFileSync(certificatePath, server.pem + authority.pem);
  writeFileSync(privateKeyPath, key.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return { certificatePath, privateKeyPath, clientCertificates: 'none', ca: authority.pem };
}
