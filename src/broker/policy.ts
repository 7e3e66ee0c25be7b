/** The broker policy: which resource is which key, and which machines get it (docs/spec/key-broker.md). Unknown fields are refused. */
import { z } from 'zod';
import { type AttestationPolicy, findDuplicateMember, readPolicy } from '../attest/index.ts';
import { toHex, utf8 } from '../core/bytes.ts';
import { type Json, toCanonicalJson, toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { BrokerError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { BROKER_LIMITS } from '../core/limits/broker.ts';
import { findJson } from '../core/base64url.ts';
import { findResourceName } from './resource.ts';

export const BROKER_POLICY_TYPE = 'modelward/broker-policy/v1';

const key = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/);
const schema = z.strictObject({
  type: z.literal(BROKER_POLICY_TYPE),
  name: z.string().min(1).max(128),
  policies: z.record(key, z.json()).refine((rows) => {
    const count = Object.keys(rows).length;
    return count > 0 && count <= BROKER_LIMITS.policiesMax;
  }),
  resources: z
    .array(
      z.strictObject({
        resource: z.string().refine((text) => findResourceName(text) !== undefined),
        sealId: z.uuid().regex(/^[0-9a-f-]+$/),
        policy: key,
      }),
    )
    .min(1)
    .max(BROKER_LIMITS.resourcesMax),
});

export interface BrokerResource {
  /** `<repository>/<type>/<tag>`. */
  readonly name: string;
  readonly sealId: string;
  readonly policy: AttestationPolicy;
}

export interface BrokerPolicy {
  readonly name: string;
  /** SHA-256 of the canonical JSON (RFC 8785) of the whole document: what every entry names. */
  readonly digestHex: string;
  readonly resources: ReadonlyMap<string, BrokerResource>;
}

/**
 * @param bytes JSON
 * @throws BrokerError BROKER_POLICY_MALFORMED; AttestError ATTEST_POLICY_MALFORMED for an attestation policy in it
 */
export function readBrokerPolicy(bytes: Uint8Array): BrokerPolicy {
  if (bytes.length > BROKER_LIMITS.policyBytesMax) refuse('size');
  const value = findJson(bytes);
  // Whoever reads the document must see what is in force, and of two members the last one is.
  const twice = value === undefined ? undefined : findDuplicateMember(new TextDecoder().decode(bytes));
  if (twice !== undefined) refuse(`${twice} stands twice`);
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    refuse(parsed.error.issues.map(({ path }) => path.join('.') || 'document').join(', '));
  }
  const { name, policies, resources } = parsed.data;
  const read = new Map(
    Object.entries(policies).map(([id, one]) => [id, readPolicy(utf8(toCanonicalJson(one as Json)))]),
  );
  const rows = new Map<string, BrokerResource>();
  for (const [at, { resource, sealId, policy: id }] of resources.entries()) {
    const policy = read.get(id);
    if (policy === undefined) refuse(`resources.${at}.policy`);
    if (rows.has(resource)) refuse(`resources.${at}.resource`);
    rows.set(resource, { name: resource, sealId, policy });
  }
  const digestHex = toHex(sha256(toCanonicalJsonBytes(value as Json)));
  return { name, digestHex, resources: rows };
}

function refuse(at: string): never {
  throw new BrokerError('BROKER_POLICY_MALFORMED', { fields: { at: at.slice(0, 300) } });
}
