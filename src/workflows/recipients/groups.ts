/** Registers in the parts that are read alike: one original, one topology, one choice of spaces. */
import { toCanonicalJson } from '../../core/canonical-json.ts';
import type { StoredClaim } from '../claims.ts';
import type { Services } from '../services.ts';
import { hasSameRegister, readRegister, type RegisterEntry } from './register.ts';

export interface RecipientGroup {
  readonly claim: StoredClaim;
  /** Never empty. */
  readonly entries: readonly RegisterEntry[];
}

/**
 * The recipients of all originals that `claims` are about. Every group is one more trial.
 * @throws as `readRegister`
 */
export function listRecipientGroups(
  services: Pick<Services, 'storage' | 'home'>,
  claims: readonly StoredClaim[],
  among: readonly StoredClaim[],
): RecipientGroup[] {
  const firsts = claims.filter(
    ({ claim }, index) => claims.findIndex((other) => hasSameRegister(other.claim, claim)) === index,
  );
  const groups = new Map<string, RegisterEntry[]>();
  for (const { claim } of firsts) {
    for (const entry of readRegister(services, claim, among)) {
      const { originalDigest, params, ownerId } = entry.claim.claim.commitment.preimage;
      const spaces = entry.body.order === null ? null : entry.body.order.spaces;
      const key = toCanonicalJson({ originalDigest, ownerId, topology: params.topologyDigest, spaces });
      groups.set(key, [...(groups.get(key) ?? []), entry]);
    }
  }
  return [...groups.values()].map((entries) => ({ claim: entries[0].claim, entries }));
}
