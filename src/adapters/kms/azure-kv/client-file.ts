/**
 * A client of Microsoft Entra ID: its secret, or its certificate with the private key, from a file or from the variables that
 * Azure's own tools read.
 */
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { toHex, zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { Random } from '../../../core/ports.ts';
import { findSignedJwt } from '../jwt.ts';
import type { ProviderPorts } from '../provider.ts';

export const ID = /^[A-Za-z0-9.-]{1,128}$/;
const ASSERTION_SECONDS = 600;
const JTI_BYTES = 16;

const id = z.string().regex(ID);
const client = z.union([
  z.strictObject({ tenantId: id, clientId: id, clientSecret: z.string().min(1).max(1024) }),
  z.strictObject({ tenantId: id, clientId: id, clientCertificatePath: z.string().min(1).max(4096) }),
]);

export type AzureClient = z.infer<typeof client>;

/** @throws SealError KEY_CREDENTIALS_MISSING | KEY_CREDENTIALS_INVALID | KEY_CREDENTIALS_UNSAFE */
export function readClient(files: ProviderPorts['files'], path: string): AzureClient {
  const bytes = files.findSecret(path);
  if (bytes === null) throw toMissing();
  try {
    return client.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch {
    // No cause: it quotes its input.
    throw toInvalid();
  } finally {
    zeroize(bytes);
  }
}

/** The client that the environment names; null where it names none, or not with what it proves itself by. */
export function findEnvironmentClient(env: ProviderPorts['env']): AzureClient | null {
  const { AZURE_TENANT_ID: tenantId, AZURE_CLIENT_ID: clientId } = env;
  const { AZURE_CLIENT_SECRET: clientSecret, AZURE_CLIENT_CERTIFICATE_PATH: clientCertificatePath } = env;
  if (!tenantId || !clientId) return null;
  const proof = clientSecret ? { clientSecret } : clientCertificatePath ? { clientCertificatePath } : null;
  if (proof === null) return null;
  const parsed = client.safeParse({ tenantId, clientId, ...proof });
  if (!parsed.success) throw toInvalid();
  return parsed.data;
}

/**
 * What a client sends of itself: its secret, or an assertion signed with the key of its certificate, for ten minutes.
 * @param to.audience address of the token endpoint
 * @see https://learn.microsoft.com/entra/identity-platform/certificate-credentials
 */
export function toProof(
  given: AzureClient,
  to: {
    readonly audience: string;
    readonly nowMs: number;
    readonly random: Random;
    readonly files: ProviderPorts['files'];
  },
): Record<string, string> {
  if ('clientSecret' in given) return { client_secret: given.clientSecret };
  const { thumbprint, privateKey } = readCertificate(to.files, given.clientCertificatePath);
  const nowSeconds = Math.floor(to.nowMs / 1000);
  const jti = new Uint8Array(JTI_BYTES);
  to.random.fill(jti);
  const who = { aud: to.audience, iss: given.clientId, sub: given.clientId, jti: toHex(jti) };
  const assertion = findSignedJwt({
    header: { alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint },
    claims: { ...who, iat: nowSeconds, nbf: nowSeconds, exp: nowSeconds + ASSERTION_SECONDS },
    privateKey,
  });
  if (assertion === undefined) throw toInvalid();
  return toAssertionForm(assertion);
}

export function toAssertionForm(assertion: string): Record<string, string> {
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  };
}

/** PEM with the certificate and its private key, not encrypted; the first of each. */
function readCertificate(files: ProviderPorts['files'], path: string): { thumbprint: string; privateKey: string } {
  const bytes = files.findSecret(path);
  if (bytes === null) throw toMissing();
  const pem = new TextDecoder().decode(bytes);
  zeroize(bytes);
  const privateKey = /-----BEGIN (RSA )?PRIVATE KEY-----[A-Za-z0-9+/=\s]+-----END \1?PRIVATE KEY-----/.exec(pem)?.[0];
  const certificate = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/.exec(pem)?.[0];
  if (privateKey === undefined || certificate === undefined) throw toInvalid();
  try {
    const { fingerprint256 } = new X509Certificate(certificate);
    return { thumbprint: Buffer.from(fingerprint256.replaceAll(':', ''), 'hex').toString('base64url'), privateKey };
  } catch {
    throw toInvalid();
  }
}

export function toMissing(): SealError {
  return new SealError('KEY_CREDENTIALS_MISSING', { fields: { service: 'azure-kv' } });
}

export function toInvalid(): SealError {
  return new SealError('KEY_CREDENTIALS_INVALID', { fields: { service: 'azure-kv' } });
}
