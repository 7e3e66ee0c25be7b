/** Credentials of a role, from AWS's token service (STS, query API). */
import { toHex, utf8 } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import { sha256 } from '../../../core/hash.ts';
import { type SigV4Credentials, signSigV4 } from '../../../core/sigv4.ts';
import type { ProviderPorts } from '../provider.ts';
import { openKeyService, toMalformed } from '../service.ts';
import { type ExpiringCredentials, toCredentials } from './expiring.ts';

export interface StsRequest {
  readonly ports: Pick<ProviderPorts, 'clock' | 'env'>;
  readonly region: string;
  /** `Action` and its parameters. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Who asks; null where a token among the parameters says it. */
  readonly credentials: SigV4Credentials | null;
  /** Where the credentials come from, for errors. */
  readonly place: string;
}

/**
 * Asks the Region's STS once.
 * @throws SealError KEY_CREDENTIALS_REFUSED | KEY_CREDENTIALS_INVALID | KEY_SERVICE_MALFORMED and those of the service
 */
export async function askSts(request: StsRequest): Promise<ExpiringCredentials> {
  const { ports, region, parameters, credentials, place } = request;
  const body = utf8(new URLSearchParams({ Version: '2011-06-15', ...parameters }).toString());
  const service = openKeyService({ origin: toStsOrigin(region, ports.env.AWS_ENDPOINT_URL_STS, place) });
  try {
    const plain = { 'content-type': 'application/x-www-form-urlencoded' };
    const unsigned = { method: 'POST', path: '/', bodySha256: toHex(sha256(body)) } as const;
    const scope = { region, service: 'sts', nowMs: ports.clock.nowMs() };
    const headers =
      credentials === null
        ? plain
        : signSigV4({ ...unsigned, headers: { ...plain, host: service.host } }, { ...scope, credentials });
    const reply = await service.send({ method: 'POST', path: '/', headers, body });
    if (reply.status !== 200) {
      throw new SealError('KEY_CREDENTIALS_REFUSED', { fields: { service: 'aws-kms', place, status: reply.status } });
    }
    return toFound(new TextDecoder().decode(reply.body), service.host, place);
  } finally {
    service.close();
  }
}

function toStsOrigin(region: string, given: string | undefined, place: string): string {
  return toEndpoint(given, `https://sts.${region}.${toDnsSuffix(region)}`, place);
}

/** An end point that the environment names instead of AWS's own: https, or http on this machine. */
export function toEndpoint(given: string | undefined, usual: string, place: string): string {
  if (given === undefined || given === '') return usual;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const isLoopback = url !== undefined && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback)) return url.origin;
  throw new SealError('KEY_CREDENTIALS_INVALID', { fields: { service: 'aws-kms', place } });
}

/** Where the end points of a Region's partition live. */
export function toDnsSuffix(region: string): string {
  return region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
}

/** The reply is XML of a fixed form; of each member there is one. */
function toFound(xml: string, host: string, place: string): ExpiringCredentials {
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
  return toCredentials(given, place, expiresAtMs);
}
