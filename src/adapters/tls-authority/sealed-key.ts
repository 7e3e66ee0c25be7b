/** A private key under a passphrase: PKCS#8 EncryptedPrivateKeyInfo with PBES2 (RFC 8018), which OpenSSL reads. */
import { createCipheriv, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { utf8, zeroize } from '../../core/bytes.ts';
import { encodeDer, encodeOid, TAG } from '../../core/der.ts';
import { TLS_LIMITS } from '../../core/limits/tls.ts';

const OID = {
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  hmacSha256: '1.2.840.113549.2.9',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
} as const;

const derive = promisify(pbkdf2);

/**
 * @param pkcs8 - DER of the key; wiped by the caller
 * @returns PEM
 */
export async function sealPrivateKey(pkcs8: Uint8Array, passphrase: Uint8Array): Promise<Uint8Array> {
  const [salt, iv] = [randomBytes(16), randomBytes(16)];
  // Node's own export has 2,048 rounds.
  const key = await derive(passphrase, salt, TLS_LIMITS.pbkdf2Rounds, 32, 'sha256');
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const box = Buffer.concat([cipher.update(pkcs8), cipher.final()]);
  zeroize(key);
  const seq = (...parts: Uint8Array[]): Uint8Array => encodeDer(TAG.sequence, ...parts);
  const prf = seq(encodeOid(OID.hmacSha256), encodeDer(TAG.null));
  const rounds = encodeDer(TAG.integer, toBigEndian(TLS_LIMITS.pbkdf2Rounds));
  const kdf = seq(encodeOid(OID.pbkdf2), seq(encodeDer(TAG.octets, salt), rounds, prf));
  const scheme = seq(kdf, seq(encodeOid(OID.aes256Cbc), encodeDer(TAG.octets, iv)));
  return toPem('ENCRYPTED PRIVATE KEY', seq(seq(encodeOid(OID.pbes2), scheme), encodeDer(TAG.octets, box)));
}

/** Shortest form that is not negative. */
function toBigEndian(value: number): Uint8Array {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(value, 1);
  const from = bytes.findIndex((byte, at) => byte !== 0 || bytes[at + 1] >= 0x80);
  return bytes.subarray(from);
}

export function toPem(label: string, der: Uint8Array): Uint8Array {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return utf8(`-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`);
}
