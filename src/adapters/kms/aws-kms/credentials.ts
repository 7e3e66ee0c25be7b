/**
 * Credentials of AWS from where its own tools look for them, in their order: environment, web identity, shared files,
 * container, instance. Not from sign-in sessions or programs; `aws configure export-credentials` turns those into these.
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
 */
import { join } from 'node:path';
import { zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { SigV4Credentials } from '../../../core/sigv4.ts';
import type { ProviderPorts } from '../provider.ts';
import { findProfile } from './ini.ts';
import { findContainerCredentials, findInstanceCredentials } from './metadata.ts';
import { type ExpiringCredentials, toCredentials } from './expiring.ts';
import { findWebIdentityCredentials } from './web-identity.ts';

export interface AwsCredentialsOptions {
  readonly ports: Pick<ProviderPorts, 'clock' | 'env' | 'files'>;
  readonly profile: string | null;
  readonly region: string;
}

/** Renewed when less than this is left of them. */
const RENEW_BEFORE_MS = 5 * 60 * 1000;

/**
 * A function that gives credentials which are good for the next minutes, and asks for new ones when they are not.
 * @throws SealError (from the function) KEY_CREDENTIALS_MISSING | KEY_CREDENTIALS_INVALID | KEY_CREDENTIALS_UNSAFE |
 *   KEY_CREDENTIALS_REFUSED | KEY_PROVIDER_UNAVAILABLE
 */
export function createAwsCredentials(options: AwsCredentialsOptions): () => Promise<SigV4Credentials> {
  // Of several requests at once one looks for them.
  let held: Promise<ExpiringCredentials> | undefined;
  return async () => {
    const last = held;
    const endsAtMs = (await last)?.expiresAtMs ?? null;
    if (endsAtMs !== null && endsAtMs - options.ports.clock.nowMs() < RENEW_BEFORE_MS && held === last)
      held = undefined;
    const asked = (held ??= findCredentials(options));
    try {
      return await asked;
    } catch (error) {
      if (held === asked) held = undefined;
      throw error;
    }
  };
}

async function findCredentials(options: AwsCredentialsOptions): Promise<ExpiringCredentials> {
  const { env } = options.ports;
  // A profile that was named is meant, whatever the environment holds.
  const found =
    (options.profile === null ? findEnvironment(env) : null) ??
    (options.profile === null ? await findWebIdentityCredentials(options) : null) ??
    findSharedFile(options) ??
    (options.profile === null ? await findContainerCredentials(options.ports) : null) ??
    (options.profile === null ? await findInstanceCredentials(options.ports) : null);
  if (found === null) throw new SealError('KEY_CREDENTIALS_MISSING', { fields: { service: 'aws-kms' } });
  return found;
}

function findEnvironment(env: ProviderPorts['env']): ExpiringCredentials | null {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey) return null;
  return toCredentials({ accessKeyId, secretAccessKey, sessionToken: env.AWS_SESSION_TOKEN }, 'environment');
}

function findSharedFile({ ports: { env, files }, profile }: AwsCredentialsOptions): ExpiringCredentials | null {
  const name = profile ?? env.AWS_PROFILE ?? 'default';
  const folder = join(files.home, '.aws');
  const places = [
    { path: env.AWS_SHARED_CREDENTIALS_FILE ?? join(folder, 'credentials'), section: name },
    { path: env.AWS_CONFIG_FILE ?? join(folder, 'config'), section: name === 'default' ? name : `profile ${name}` },
  ];
  for (const { path, section } of places) {
    const bytes = files.findSecret(path);
    if (bytes === null) continue;
    const values = findProfile(new TextDecoder().decode(bytes), section);
    zeroize(bytes);
    const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } = values ?? {};
    if (accessKeyId === undefined || secretAccessKey === undefined) continue;
    return toCredentials({ accessKeyId, secretAccessKey, sessionToken: values?.aws_session_token }, 'shared file');
  }
  return null;
}
