/** Credentials that AWS hands to containers and instances over addresses that only they can reach. */
import { z } from 'zod';
import { SealError } from '../../../core/errors.ts';
import type { ProviderPorts } from '../provider.ts';
import { openKeyService, parseReply, type ServiceReply } from '../service.ts';
import { type ExpiringCredentials, toCredentials } from './expiring.ts';

type Ports = Pick<ProviderPorts, 'env' | 'files'>;

const CONTAINER_ORIGIN = 'http://169.254.170.2';
const INSTANCE_ORIGIN = 'http://169.254.169.254';
/** Hosts that may be asked without TLS: link-local ones of ECS and EKS, and this machine. */
const CONTAINER_HOSTS = /^(169\.254\.170\.(2|23)|\[fd00:ec2::23\]|localhost|127(\.\d{1,3}){3}|\[::1\])$/;
/** On a machine outside AWS nobody answers; the wait is every user's. */
const INSTANCE_TIMEOUT_MS = 1000;
const CONTAINER_TIMEOUT_MS = 5000;
const TOKEN_SECONDS = '300';

const credentialsReply = z.object({
  AccessKeyId: z.string(),
  SecretAccessKey: z.string(),
  Token: z.string().optional(),
  Expiration: z.iso.datetime({ offset: true }).optional(),
});

/** Of ECS, EKS Pod Identity and the like; null where the environment names none. */
export async function findContainerCredentials(ports: Ports): Promise<ExpiringCredentials | null> {
  const { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: relative, AWS_CONTAINER_CREDENTIALS_FULL_URI: full } = ports.env;
  if (!relative && !full) return null;
  const url = URL.canParse(relative ?? full ?? '', CONTAINER_ORIGIN)
    ? new URL(relative ?? full ?? '', CONTAINER_ORIGIN)
    : undefined;
  const isAllowed = url?.protocol === 'https:' || (url?.protocol === 'http:' && CONTAINER_HOSTS.test(url.hostname));
  if (url === undefined || !isAllowed || url.username !== '' || url.password !== '') {
    throw toInvalid('container');
  }
  const token = findContainerToken(ports);
  const service = openKeyService({ origin: url.origin, timeoutMs: CONTAINER_TIMEOUT_MS });
  try {
    const headers: Record<string, string> = token === null ? {} : { authorization: token };
    const reply = await service.send({ method: 'GET', path: `${url.pathname}${url.search}`, headers });
    return toFound(reply, { host: service.host, place: 'container' });
  } finally {
    service.close();
  }
}

function findContainerToken({ env, files }: Ports): string | null {
  const path = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
  // The platform mounts it, with the modes that it chooses.
  const bytes = path === undefined || path === '' ? null : files.findPublic(path);
  const token = bytes === null ? env.AWS_CONTAINER_AUTHORIZATION_TOKEN : new TextDecoder().decode(bytes).trim();
  if (token === undefined || token === '') return null;
  if (!/^[\x20-\x7e]{1,16384}$/.test(token)) throw toInvalid('container');
  return token;
}

/** Of an EC2 instance, by IMDSv2; null where there is no such service or the instance has no role. */
export async function findInstanceCredentials({ env }: Ports): Promise<ExpiringCredentials | null> {
  if (env.AWS_EC2_METADATA_DISABLED?.toLowerCase() === 'true') return null;
  const service = openKeyService({ origin: INSTANCE_ORIGIN, timeoutMs: INSTANCE_TIMEOUT_MS });
  const get = async (method: 'GET' | 'PUT', path: string, headers: Record<string, string>): Promise<ServiceReply> =>
    service.send({ method, path: `/latest/${path}`, headers });
  try {
    const asked = await get('PUT', 'api/token', { 'x-aws-ec2-metadata-token-ttl-seconds': TOKEN_SECONDS });
    const token = new TextDecoder().decode(asked.body);
    if (asked.status !== 200 || !/^[\x21-\x7e]{1,1024}$/.test(token)) return null;
    const headers = { 'x-aws-ec2-metadata-token': token };
    const roles = await get('GET', 'meta-data/iam/security-credentials/', headers);
    const role = new TextDecoder().decode(roles.body).trim();
    if (roles.status !== 200 || !/^[\w+=,.@-]{1,128}$/.test(role)) return null;
    const reply = await get('GET', `meta-data/iam/security-credentials/${role}`, headers);
    return toFound(reply, { host: service.host, place: 'instance' });
  } catch (error) {
    if (error instanceof SealError && error.code === 'KEY_PROVIDER_UNAVAILABLE') return null;
    throw error;
  } finally {
    service.close();
  }
}

function toFound(reply: ServiceReply, { host, place }: { host: string; place: string }): ExpiringCredentials {
  if (reply.status !== 200) {
    throw new SealError('KEY_CREDENTIALS_REFUSED', { fields: { service: 'aws-kms', place, status: reply.status } });
  }
  const told = parseReply(reply, credentialsReply, host);
  const expiresAtMs = told.Expiration === undefined ? null : Date.parse(told.Expiration);
  const given = { accessKeyId: told.AccessKeyId, secretAccessKey: told.SecretAccessKey, sessionToken: told.Token };
  return toCredentials(given, place, expiresAtMs);
}

function toInvalid(place: string): SealError {
  return new SealError('KEY_CREDENTIALS_INVALID', { fields: { service: 'aws-kms', place } });
}
