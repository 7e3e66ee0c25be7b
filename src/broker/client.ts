/** The client side, inside the attested machine: proves itself to a broker and gets the key of a seal. */
import { generateKeyPairSync } from 'node:crypto';
import { z } from 'zod';
import { utf8, zeroize } from '../core/bytes.ts';
import { BrokerError } from '../core/errors.ts';
import { findJson } from '../core/base64url.ts';
import { decryptJwe } from './jwe.ts';
import { PROTOCOL_VERSION } from './messages.ts';
import type { BrokerAnswer, BrokerLink, GuestEvidence } from './ports.ts';
import { findResourceName } from './resource.ts';
import { digestRuntimeData } from './runtime-data.ts';
import { readTeeKey } from './tee-key.ts';

const DEK_BYTES = 32;
const challengeSchema = z.object({ nonce: z.string().min(1).max(256) });
const tokenSchema = z.object({ token: z.string().min(1) });
const errorSchema = z.object({ type: z.string().max(512), detail: z.string().max(512) });

export interface FetchKeyOptions {
  readonly link: BrokerLink;
  readonly evidence: GuestEvidence;
  /** `<repository>/<type>/<tag>`. */
  readonly resource: string;
}

/**
 * The data key of a resource, 32 bytes; the caller wipes it. The key pair is made here, lives for this call, and never
 * leaves the process.
 * @throws BrokerError BROKER_UNREACHABLE | BROKER_REFUSED | BROKER_ANSWER_MALFORMED; AttestError from the evidence
 */
export async function fetchKey({ link, evidence, resource }: FetchKeyOptions): Promise<Uint8Array> {
  const name = findResourceName(resource);
  if (name === undefined) throw new BrokerError('BROKER_RESOURCE_UNKNOWN');
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { jwk: teeKey } = readTeeKey({ ...publicKey.export({ format: 'jwk' }), alg: 'ECDH-ES+A256KW' });
  const { tee } = evidence;
  const opened = await post(link, 'auth', { version: PROTOCOL_VERSION, tee, 'extra-params': '' }, {});
  const { nonce } = read(challengeSchema, opened, 'challenge');
  const cookie = toCookie(opened);
  const reportData = digestRuntimeData({ nonce, teeKey, additionalEvidence: '' });
  const answer = {
    'runtime-data': { nonce, 'tee-pubkey': teeKey },
    'tee-evidence': { primary_evidence: evidence.collect(reportData), additional_evidence: '' },
  };
  read(tokenSchema, await post(link, 'attest', answer, { cookie }), 'token');
  const path = `/kbs/v0/resource/${name}`;
  const released = await link.send({ method: 'GET', path, headers: { cookie }, body: new Uint8Array() });
  assertOk(released);
  const key = decryptJwe(findJson(released.body), privateKey);
  if (key.length === DEK_BYTES) return key;
  zeroize(key);
  throw new BrokerError('BROKER_ANSWER_MALFORMED', { fields: { at: 'length of the key' } });
}

async function post(
  link: BrokerLink,
  step: 'auth' | 'attest',
  value: object,
  headers: Readonly<Record<string, string>>,
): Promise<BrokerAnswer> {
  const answer = await link.send({
    method: 'POST',
    path: `/kbs/v0/${step}`,
    headers: { 'content-type': 'application/json', ...headers },
    body: utf8(JSON.stringify(value)),
  });
  assertOk(answer);
  return answer;
}

function assertOk({ status, body }: BrokerAnswer): void {
  if (status === 200) return;
  const parsed = errorSchema.safeParse(findJson(body));
  if (!parsed.success) throw new BrokerError('BROKER_UNREACHABLE', { fields: { at: 'status', status } });
  const { type, detail } = parsed.data;
  throw new BrokerError('BROKER_REFUSED', { fields: { status, type, detail } });
}

function read<T extends z.ZodType>(schema: T, { body }: BrokerAnswer, at: string): z.infer<T> {
  const parsed = schema.safeParse(findJson(body));
  if (parsed.success) return parsed.data;
  throw new BrokerError('BROKER_ANSWER_MALFORMED', { fields: { at } });
}

/** Name and value of the session cookie; its attributes are for browsers. */
function toCookie({ headers }: BrokerAnswer): string {
  const found = /(?:^|[,;\s])(kbs-session-id=[A-Za-z0-9._-]{1,256})/.exec(headers['set-cookie'] ?? '')?.at(1);
  if (found === undefined) throw new BrokerError('BROKER_ANSWER_MALFORMED', { fields: { at: 'cookie' } });
  return found;
}
