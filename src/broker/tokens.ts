/** Attestation tokens: JWT (RFC 7519) signed with Ed25519 by a key of this process, good as long as the session. */
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { z } from 'zod';
import { concatBytes, findHexBytes, utf8, zeroize } from '../core/bytes.ts';
import type { Json } from '../core/canonical-json.ts';
import { BrokerError } from '../core/errors.ts';
import type { Clock, Random } from '../core/ports.ts';
import { findBase64Url, findBase64UrlJson, toBase64Url, toBase64UrlJson } from '../core/base64url.ts';
import type { BrokerSession } from './sessions.ts';

const ISSUER = 'modelward/key-broker';
/** RFC 8410 section 7: DER of everything before the 32 bytes of the key. */
const PKCS8_PREFIX = findHexBytes('302e020100300506032b657004220420') ?? new Uint8Array();
const TOKEN_CHARS_MAX = 8192;

const headerSchema = z.strictObject({ alg: z.literal('EdDSA'), typ: z.literal('JWT'), kid: z.string() });
const payloadSchema = z.looseObject({
  iss: z.literal(ISSUER),
  aud: z.literal(ISSUER),
  iat: z.int(),
  exp: z.int(),
  jti: z.string().regex(/^[0-9a-f]{64}$/),
  cnf: z.strictObject({ jkt: z.string() }),
});

export interface TokenMint {
  /** For an attested session. */
  issue(session: BrokerSession): string;
  /**
   * The name of the session that the token was issued for, and the thumbprint of its key.
   * @throws BrokerError BROKER_TOKEN_INVALID, whatever is wrong with it
   */
  read(token: string): { readonly sessionName: string; readonly thumbprint: string };
}

/** The key lives as long as the process, as sessions do: there is none to be stolen from a disk. */
export function createTokenMint({ clock, random }: { readonly clock: Clock; readonly random: Random }): TokenMint {
  const seed = new Uint8Array(32);
  random.fill(seed);
  const der = concatBytes(PKCS8_PREFIX, seed);
  const privateKey = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
  zeroize(seed, der);
  const publicKey = createPublicKey(privateKey);
  const { x = '' } = publicKey.export({ format: 'jwk' });
  const header = toBase64UrlJson({ alg: 'EdDSA', kid: x, typ: 'JWT' });
  return {
    issue: (session) => {
      const nowMs = clock.nowMs();
      const signed = `${header}.${toBase64UrlJson(toPayload(session, nowMs))}`;
      return `${signed}.${toBase64Url(sign(null, utf8(signed), privateKey))}`;
    },
    read: (token) => {
      const parts = token.split('.');
      if (token.length > TOKEN_CHARS_MAX || parts.length !== 3) refuse();
      const [head, body, mac] = parts;
      const signature = findBase64Url(mac);
      // The algorithm is that of the key: what a header says is compared, and never chosen by.
      if (!headerSchema.safeParse(findBase64UrlJson(head)).success || signature?.length !== 64) refuse();
      if (!verify(null, utf8(`${head}.${body}`), publicKey, signature)) refuse();
      const parsed = payloadSchema.safeParse(findBase64UrlJson(body));
      if (!parsed.success || parsed.data.exp * 1000 <= clock.nowMs()) refuse();
      return { sessionName: parsed.data.jti, thumbprint: parsed.data.cnf.jkt };
    },
  };
}

/** Members as stock clients read them: exp, and the key under `tee-pubkey`. */
function toPayload({ name, tee, expiresAtMs, attested }: BrokerSession, nowMs: number): Json {
  if (attested === null) throw new TypeError('internal error: no token before attestation');
  const { claims, teeKey } = attested;
  return {
    iss: ISSUER,
    aud: ISSUER,
    iat: Math.floor(nowMs / 1000),
    exp: Math.floor(expiresAtMs / 1000),
    jti: name,
    tee,
    cnf: { jkt: teeKey.thumbprint },
    'tee-pubkey': { ...teeKey.jwk },
    'evidence-sha256': claims.evidenceDigestHex,
  };
}

function refuse(): never {
  throw new BrokerError('BROKER_TOKEN_INVALID');
}
