/**
 * Credentials of AWS from where its own tools look for them, in their order: environment, web identity, a profile of the
 * shared files, container, instance. Helper programs are not run; `aws configure export-credentials` turns those into these.
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
 */
import { SealError } from '../../../core/errors.ts';
import type { SigV4Credentials } from '../../../core/sigv4.ts';
import type { ProviderPorts } from '../provider.ts';
import { createRenewed, type Renewed } from '../token.ts';
import type { ExpiringCredentials } from './expiring.ts';
import { findContainerCredentials, findInstanceCredentials } from './metadata.ts';
import { findEnvironmentCredentials, findProfileCredentials } from './profile.ts';
import { findWebIdentityCredentials } from './web-identity.ts';

export interface AwsCredentialsOptions {
  readonly ports: Pick<ProviderPorts, 'clock' | 'env' | 'files'>;
  readonly profile: string | null;
  readonly region: string;
}

/** Renewed when less than this is left of them. */
const RENEW_BEFORE_MS = 5 * 60 * 1000;

/**
 * Credentials that are good for the next minutes; others are looked for when they are not, or were refused.
 * @throws SealError (from `get`) KEY_CREDENTIALS_MISSING | KEY_CREDENTIALS_INVALID | KEY_CREDENTIALS_UNSAFE |
 *   KEY_CREDENTIALS_REFUSED | KEY_PROVIDER_UNAVAILABLE
 */
export function createAwsCredentials(options: AwsCredentialsOptions): Renewed<SigV4Credentials> {
  return createRenewed(options.ports.clock, () => findCredentials(options), RENEW_BEFORE_MS);
}

async function findCredentials(options: AwsCredentialsOptions): Promise<ExpiringCredentials> {
  const { ports, profile } = options;
  // A profile that was named is meant, whatever the environment holds.
  const found =
    profile === null
      ? (findEnvironmentCredentials(ports.env) ??
        (await findWebIdentityCredentials(options)) ??
        (await findProfileCredentials(options, ports.env.AWS_PROFILE ?? 'default')) ??
        (await findContainerCredentials(ports)) ??
        (await findInstanceCredentials(ports)))
      : await findProfileCredentials(options, profile);
  if (found === null) throw new SealError('KEY_CREDENTIALS_MISSING', { fields: { service: 'aws-kms' } });
  return found;
}
