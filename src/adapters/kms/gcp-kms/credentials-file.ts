/**
 * Credential files of Google Cloud: key files of service accounts, sign-ins of users, federated accounts, and accounts that
 * any of these may act as.
 * @see https://google.aip.dev/auth/4110
 */
import { z } from 'zod';
import { zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { ProviderFiles } from '../provider-files.ts';

const url = z.string().max(2048);
const quota_project_id = z
  .string()
  .regex(/^[a-z0-9.:-]{1,63}$/)
  .optional();

const serviceAccount = z.object({
  type: z.literal('service_account'),
  client_email: z.string().min(1).max(320),
  private_key: z.string().min(1),
  private_key_id: z.string().max(128).optional(),
  token_uri: url.optional(),
  quota_project_id,
});

const authorizedUser = z.object({
  type: z.literal('authorized_user'),
  client_id: z.string().min(1).max(512),
  client_secret: z.string().min(1).max(512),
  refresh_token: z.string().min(1).max(4096),
  quota_project_id,
});

const format = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json'), subject_token_field_name: z.string().min(1).max(128) }),
  ])
  .default({ type: 'text' });
const headers = z
  .record(z.string().regex(/^[A-Za-z0-9-]{1,64}$/), z.string().regex(/^[\x20-\x7e]{1,8192}$/))
  .refine((all) => Object.keys(all).length <= 16)
  .default({});

/** Tokens out of a file or from a URL; those of programs and of AWS's own kind are not read. */
const credentialSource = z.union([
  z.object({ file: z.string().min(1).max(4096), format }),
  z.object({ url, headers, format, environment_id: z.never().optional() }),
]);

const externalAccount = z.object({
  type: z.literal('external_account'),
  audience: z.string().min(1).max(1024),
  subject_token_type: z.string().min(1).max(256),
  token_url: url,
  service_account_impersonation_url: url.optional(),
  credential_source: credentialSource,
  quota_project_id,
});

const source = z.discriminatedUnion('type', [serviceAccount, authorizedUser, externalAccount]);

const impersonated = z.object({
  type: z.literal('impersonated_service_account'),
  service_account_impersonation_url: url,
  delegates: z.array(z.string().max(512)).max(8).default([]),
  source_credentials: source,
  quota_project_id,
});

const file = z.discriminatedUnion('type', [serviceAccount, authorizedUser, externalAccount, impersonated]);

export type GcpCredentials = z.infer<typeof file>;
/** Where a federated account finds the token that another provider signed. */
export type TokenPlace = z.infer<typeof credentialSource>;
export type ServiceAccount = z.infer<typeof serviceAccount>;
export type ExternalAccount = z.infer<typeof externalAccount>;

/**
 * Null without the file. The file of a federated account holds no secret, and is mounted with the modes that the platform
 * chooses; all others must be their owner's alone.
 * @throws SealError KEY_CREDENTIALS_UNSAFE | KEY_CREDENTIALS_INVALID
 */
export function findGcpCredentials(files: ProviderFiles, path: string): GcpCredentials | null {
  try {
    const bytes = files.findSecret(path);
    return bytes === null ? null : parse(bytes);
  } catch (error) {
    if (!(error instanceof SealError) || error.code !== 'KEY_CREDENTIALS_UNSAFE') throw error;
    const bytes = files.findPublic(path);
    const found = bytes === null ? null : parse(bytes, error);
    if (found !== null && isWithoutSecret(found)) return found;
    throw error;
  }
}

function isWithoutSecret(credentials: GcpCredentials): boolean {
  if (credentials.type !== 'external_account') return false;
  const { credential_source: from } = credentials;
  return !('headers' in from) || !Object.keys(from.headers).some((name) => name.toLowerCase() === 'authorization');
}

/** @param otherwise what to throw instead, where the file's fault is not known to be its form */
function parse(bytes: Uint8Array, otherwise = toInvalid()): GcpCredentials {
  try {
    return file.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch {
    // No cause: it quotes its input.
    throw otherwise;
  } finally {
    zeroize(bytes);
  }
}

export function toInvalid(): SealError {
  return new SealError('KEY_CREDENTIALS_INVALID', { fields: { service: 'gcp-kms' } });
}
