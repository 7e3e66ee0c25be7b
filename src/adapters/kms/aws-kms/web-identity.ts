/** Credentials for a token that another identity provider signed: service accounts of Kubernetes on EKS and the like. */
import { utf8 } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { ProviderPorts } from '../provider.ts';
import { openKeyService, toMalformed } from '../service.ts';
import { type ExpiringCredentials, toCredentials } from './expiring.ts';

const PLACE = 'web identity';

/**
 * AssumeRoleWithWebIdentity of STS in the key's Region; null where the environment names no token.
 * @throws SealError KEY_CREDENTIALS_MISSING | KEY_CREDENTIALS_REFUSED | KEY_SERVICE_MALFORMED and those of the service
 */
export async function findWebIdentityCredentials(options: {
  readonly ports: Pick<ProviderPorts, 'env' | 'files'>;
  readonly region: string;
}): Promise<ExpiringCredentials | null> {
  const { env, files } = options.ports;
  const { AWS_WEB_IDENTITY_TOKEN_FILE: path, AWS_ROLE_ARN: roleArn } = env;
  if (!path || !roleArn) return null;
  // The platform mounts it, with the modes that it chooses.
  const token = files.findPublic(path);
  if (token === null) throw new SealError('KEY_CREDENTIALS_MISSING', { fields: { service: 'aws-kms', place: PLACE } });
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: roleArn,
    RoleSessionName: env.AWS_ROLE_SESSION_NAME ?? 'modelward',
    WebIdentityToken: new TextDecoder().decode(token).trim(),
  });
  const service = openKeyService({ origin: toStsOrigin(options.region, env.AWS_ENDPOINT_URL_STS) });
  try {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const reply = await service.send({ method: 'POST', path: '/', headers, body: utf8(form.toString()) });
    if (reply.status !== 200) {
      const fields = { service: 'aws-kms', place: PLACE, status: reply.status };
      throw new SealError('KEY_CREDENTIALS_REFUSED', { fields });
    }
    return toFound(new TextDecoder().decode(reply.body), service.host);
  } finally {
    service.close();
  }
}

function toStsOrigin(region: string, given: string | undefined): string {
  if (given === undefined || given === '') return `https://sts.${region}.${toDnsSuffix(region)}`;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const isLoopback = url !== undefined && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback)) return url.origin;
  throw new SealError('KEY_CREDENTIALS_INVALID', { fields: { service: 'aws-kms', place: PLACE } });
}

/** Where the end points of a Region's partition live. */
export function toDnsSuffix(region: string): string {
  return region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
}

/** The reply is XML of a fixed form; of each member there is one. */
function toFound(xml: string, host: string): ExpiringCredentials {
  const read = (name: string): string => {
    const found = [...xml.matchAll(new RegExp(`<${name}>([^<&]{1,8192})</${name}>`, 'g'))];
    if (found.length !== 1) throw toMalformed({ host, at: name });
    return found[0][1];
  };
  const expiresAtMs = Date.parse(read('Expiration'));
  if (Number.isNaN(expiresAtMs)) throw toMalformed({ host, at: 'Expiration' });
  const given = {
    accessKeyId: read('AccessKeyId'),
    secretAccessKey: read('SecretAccessKey'),
    sessionToken: read('SessionToken'),
  };
  return toCredentials(given, PLACE, expiresAtMs);
}
