/** The TLS settings of a connection, with the files that the address names. */
import { SourceError } from '../core/errors.ts';
import { openFileSource } from '../source/file.ts';
import type { PostgresAddress } from './address.ts';

/** Bytes of a certificate or key file: bundles of all public authorities take some 250 KiB. */
const TLS_FILE_BYTES_MAX = 4 * 1024 * 1024;

/** Settings of node:tls; false for a plain connection. */
export type TlsSettings =
  | false
  | {
      readonly minVersion: 'TLSv1.2';
      readonly rejectUnauthorized: boolean;
      readonly ca?: Buffer;
      readonly cert?: Buffer;
      readonly key?: Buffer;
      readonly checkServerIdentity?: () => undefined;
    };

/** @throws SourceError SOURCE_NOT_FOUND | SOURCE_UNREADABLE | SOURCE_NOT_A_FILE */
export function readTls({ tls, tlsFiles }: Pick<PostgresAddress, 'tls' | 'tlsFiles'>): TlsSettings {
  if (tls === 'disable') return false;
  const { ca, cert, key } = tlsFiles;
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: tls !== 'require',
    ...(ca === null ? {} : { ca: readPem(ca) }),
    ...(cert === null ? {} : { cert: readPem(cert) }),
    ...(key === null ? {} : { key: readPem(key) }),
    // verify-ca: any certificate of the authority will do, whatever its name.
    ...(tls === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
  };
}

function readPem(path: string): Buffer {
  const source = openFileSource(path);
  try {
    if (source.size > TLS_FILE_BYTES_MAX) {
      throw new SourceError('SOURCE_UNREADABLE', { fields: { file: source.label, bytes: source.size } });
    }
    const bytes = Buffer.alloc(source.size);
    source.read(0, bytes);
    return bytes;
  } finally {
    source.close();
  }
}
