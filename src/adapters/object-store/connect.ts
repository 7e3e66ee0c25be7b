/** Which server a bucket is at, and how it is asked. */
import { join } from 'node:path';
import type { Clock, Pause, Random } from '../../core/ports.ts';
import { SourceError } from '../../core/errors.ts';
import type { SigV4Credentials } from '../../core/sigv4.ts';
import { isRegion, type ObjectAddress, toEndpoint } from '../../source/object-address.ts';
import type { ObjectClient } from './client.ts';
import { createGcsClient } from './gcs.ts';
import { openHttpServer } from './http.ts';
import { createS3Client } from './s3.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where credentials come from; whoever composes the product knows. Their errors may be of any area. */
export interface ObjectCredentials {
  aws(at: { readonly profile: string | null; readonly region: string }): () => Promise<SigV4Credentials>;
  /** Region of a profile of the AWS configuration file; null when it names none. */
  awsRegion(profile: string | null): string | null;
  google(): () => Promise<string>;
}

export interface ConnectPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly pause: Pause;
  /** Only what the tools of the stores define is read. */
  readonly env: Environment;
  readonly credentials: ObjectCredentials;
}

const GOOGLE = 'https://storage.googleapis.com';

/**
 * A client for the bucket of `address`; nothing is asked of the store yet.
 * @throws SourceError OBJECT_ADDRESS_INVALID for a region or end point in the environment that cannot be one
 */
export function connectObjects(address: ObjectAddress, ports: ConnectPorts): ObjectClient {
  return address.scheme === 's3' ? connectS3(address, ports) : connectGoogle(address, ports);
}

function connectS3({ bucket, endpoint, region: named, profile }: ObjectAddress, ports: ConnectPorts): ObjectClient {
  const { env, credentials, clock, random, pause } = ports;
  const region =
    named ?? findText(env.AWS_REGION) ?? findText(env.AWS_DEFAULT_REGION) ?? credentials.awsRegion(profile);
  if (region !== null && !isRegion(region)) throw toInvalid('region');
  const given = endpoint ?? findText(env.AWS_ENDPOINT_URL_S3) ?? findText(env.AWS_ENDPOINT_URL);
  const base = { region: region ?? 'us-east-1', clock, random, pause };
  const shared = { ...base, credentials: credentials.aws({ profile, region: base.region }) };
  if (given !== null)
    return createS3Client({ ...shared, server: openHttpServer(toEndpoint(given)), bucketInPath: bucket });
  const host = `s3.${base.region}.${base.region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'}`;
  // A certificate for *.s3.… does not cover a bucket with a dot in it.
  const isInPath = bucket.includes('.');
  const server = openHttpServer(`https://${isInPath ? host : `${bucket}.${host}`}`);
  return createS3Client({ ...shared, server, bucketInPath: isInPath ? bucket : null });
}

function connectGoogle({ bucket, endpoint }: ObjectAddress, { env, credentials, pause }: ConnectPorts): ObjectClient {
  const emulator = findText(env.STORAGE_EMULATOR_HOST);
  const origin = toEndpoint(endpoint ?? emulator ?? GOOGLE);
  // The token opens all of the user's Google Cloud: an address, which may be pasted, does not say where it goes.
  const isTrusted = isGoogle(origin) || (emulator !== null && toEndpoint(emulator) === origin);
  if (!isTrusted) throw toInvalid('endpoint');
  const server = openHttpServer(origin);
  return createGcsClient({ server, bucket, token: credentials.google(), pause });
}

function isGoogle(origin: string): boolean {
  const { protocol, hostname } = new URL(origin);
  return protocol === 'https:' && hostname.endsWith('.googleapis.com');
}

function findText(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}

function toInvalid(part: string): SourceError {
  return new SourceError('OBJECT_ADDRESS_INVALID', { fields: { part } });
}

/** Where the AWS tools keep the file with regions. */
export function toAwsConfigPath(env: Environment, home: string): string {
  return findText(env.AWS_CONFIG_FILE) ?? join(home, '.aws', 'config');
}
