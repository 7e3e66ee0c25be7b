/** JSON Web Tokens (RFC 7519) by which a program shows who it is: signed with its RSA key, in the compact form of RFC 7515. */
import { constants, createPrivateKey, sign } from 'node:crypto';

/** Undefined where `privateKey` is no RSA key. @param privateKey PEM */
export function findSignedJwt(given: {
  readonly header: Readonly<Record<string, string>> & { readonly alg: 'RS256' | 'PS256' };
  readonly claims: Readonly<Record<string, string | number>>;
  readonly privateKey: string;
}): string | undefined {
  const { header, claims, privateKey } = given;
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  try {
    const key = createPrivateKey(privateKey);
    if (key.asymmetricKeyType !== 'rsa') return undefined;
    // RFC 7518 3.5: the salt is as long as the hash.
    const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
    const signature = sign('sha256', Buffer.from(signed), { key, ...(header.alg === 'PS256' && pss) });
    return `${signed}.${signature.toString('base64url')}`;
  } catch {
    // No cause: it could quote the key.
    return undefined;
  }
}
