/**
 * Credentials of one profile of the shared files: its own keys, a role that it assumes, or a sign-in session.
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html
 */
import { join } from 'node:path';
import { zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { ProviderPorts } from '../provider.ts';
import { type ExpiringCredentials, toCredentials } from './expiring.ts';
import { findProfile } from './ini.ts';
import { findContainerCredentials, findInstanceCredentials } from './metadata.ts';
import { askSso } from './sso.ts';
import { askSts } from './sts.ts';
import { askWithWebIdentity } from './web-identity.ts';

const PLACE = 'shared file';
/** Roles that are assumed one out of another; AWS itself allows any number. */
const CHAIN_MAX = 4;

type Ports = Pick<ProviderPorts, 'clock' | 'env' | 'files'>;
type Values = Readonly<Record<string, string | undefined>>;

export interface ProfileOptions {
  readonly ports: Ports;
  readonly region: string;
}

/**
 * Null where the files hold no such profile, or nothing in it to come by credentials.
 * @throws SealError KEY_CREDENTIALS_INVALID for what is not followed (a second factor, a chain without end) and the codes
 *   of whom is asked
 */
export async function findProfileCredentials(
  options: ProfileOptions,
  name: string,
  before: readonly string[] = [],
): Promise<ExpiringCredentials | null> {
  const values = readProfile(options.ports, name);
  if (values === null) return null;
  // A profile may assume its role out of its own keys.
  const isOwnSource = before.at(-1) === name;
  if (values.role_arn !== undefined && !isOwnSource) return assumeRole(options, values, [...before, name]);
  const own = findOwnKeys(values);
  if (own !== null) return own;
  if (values.sso_account_id !== undefined && values.sso_role_name !== undefined) return askWithSession(options, values);
  if (values.credential_process !== undefined) throw toInvalid('credential_process');
  return null;
}

/** Values of the credentials file go before those of the configuration. */
function readProfile({ env, files }: Ports, name: string): Values | null {
  const folder = join(files.home, '.aws');
  const credentials = readSection(files, env.AWS_SHARED_CREDENTIALS_FILE ?? join(folder, 'credentials'), name);
  const section = name === 'default' ? name : `profile ${name}`;
  const config = readSection(files, env.AWS_CONFIG_FILE ?? join(folder, 'config'), section);
  return credentials === undefined && config === undefined ? null : { ...config, ...credentials };
}

function readSection(files: ProviderPorts['files'], path: string, section: string): Values | undefined {
  const bytes = files.findSecret(path);
  if (bytes === null) return undefined;
  const values = findProfile(new TextDecoder().decode(bytes), section);
  zeroize(bytes);
  return values;
}

function findOwnKeys(values: Values): ExpiringCredentials | null {
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } = values;
  if (accessKeyId === undefined || secretAccessKey === undefined) return null;
  return toCredentials({ accessKeyId, secretAccessKey, sessionToken: values.aws_session_token }, PLACE);
}

async function assumeRole(
  options: ProfileOptions,
  values: Values,
  chain: readonly string[],
): Promise<ExpiringCredentials> {
  const { role_arn: roleArn = '', role_session_name: session, web_identity_token_file: path } = values;
  if (chain.length > CHAIN_MAX) throw toInvalid('source_profile');
  // Nobody is there to type it.
  if (values.mfa_serial !== undefined) throw toInvalid('mfa_serial');
  if (path !== undefined) return askWithWebIdentity(options, { path, roleArn, session });
  const credentials = await findSource(options, values, chain);
  if (credentials === null) {
    throw new SealError('KEY_CREDENTIALS_MISSING', { fields: { service: 'aws-kms', place: 'source of a role' } });
  }
  const parameters = {
    Action: 'AssumeRole',
    RoleArn: roleArn,
    RoleSessionName: session ?? 'modelward',
    ...(values.external_id !== undefined && { ExternalId: values.external_id }),
    ...(values.duration_seconds !== undefined && { DurationSeconds: values.duration_seconds }),
  };
  return askSts({ ...options, parameters, credentials, place: 'assumed role' });
}

/** Whose right it is to assume the role. */
async function findSource(
  options: ProfileOptions,
  { source_profile: profile, credential_source: place }: Values,
  chain: readonly string[],
): Promise<ExpiringCredentials | null> {
  const { ports } = options;
  if ((profile === undefined) === (place === undefined)) throw toInvalid('source_profile');
  if (profile !== undefined) {
    if (chain.slice(0, -1).includes(profile)) throw toInvalid('source_profile');
    return findProfileCredentials(options, profile, chain);
  }
  if (place === 'Environment') return findEnvironmentCredentials(ports.env);
  if (place === 'EcsContainer') return findContainerCredentials(ports);
  if (place === 'Ec2InstanceMetadata') return findInstanceCredentials(ports);
  throw toInvalid('credential_source');
}

/** Keys in the variables that all of AWS's tools read; null without. */
export function findEnvironmentCredentials(env: ProviderPorts['env']): ExpiringCredentials | null {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey) return null;
  return toCredentials({ accessKeyId, secretAccessKey, sessionToken: env.AWS_SESSION_TOKEN }, 'environment');
}

async function askWithSession({ ports }: ProfileOptions, values: Values): Promise<ExpiringCredentials> {
  const { sso_session: named, sso_account_id: accountId = '', sso_role_name: roleName = '' } = values;
  const path = ports.env.AWS_CONFIG_FILE ?? join(ports.files.home, '.aws', 'config');
  const place = named === undefined ? values : readSection(ports.files, path, `sso-session ${named}`);
  const { sso_start_url: startUrl, sso_region: region } = place ?? {};
  if (startUrl === undefined || region === undefined) throw toInvalid('sso_region');
  return askSso(ports, { session: named ?? startUrl, region, accountId, roleName });
}

/** `at` is the name of a setting, never its value. */
function toInvalid(at: string): SealError {
  return new SealError('KEY_CREDENTIALS_INVALID', { fields: { service: 'aws-kms', place: PLACE, at } });
}
