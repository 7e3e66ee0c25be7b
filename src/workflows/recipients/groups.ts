/** Registers in the parts that are read alike: one original, one topology, one choice of spaces. */
import { toCanonicalJson } from '../../core/canonical-json.ts';
import type { StoredClaim } from '../claims.ts';
import type { Services } from '../services.ts';
import { hasSameRegister, readWhatCanBe, type RegisterEntry, type RegisterFault } from './register.ts';

export interface RecipientGroup {
  readonly claim: StoredClaim;
  /** Never empty. */
  readonly entries: readonly RegisterEntry[];
}

export interface RecipientGroups {
  readonly groups: readonly RecipientGroup[];
  /** Of registers that are in no group: one that is read in part could name somebody for a number that stands twice. */
  readonly faults: readonly RegisterFault[];
}

/** The recipients of all originals that `claims` are about. Every group is one more trial. */
export function listRecipientGroups(
  services: Pick<Services, 'storage' | 'home'>,
  claims: readonly StoredClaim[],
  among: readonly StoredClaim[],
): RecipientGroups {
  const firsts = claims.filter(
    ({ claim }, index) => claims.findIndex((other) => hasSameRegister(other.claim, claim)) === index,
  );
  const faults: RegisterFault[] = [];
  const groups = new Map<string, RegisterEntry[]>();
  for (const { claim } of firsts) {
    const register = readWhatCanBe(services, claim, among);
    faults.push(...register.faults);
    if (register.faults.length > 0) continue;
    for (const entry of register.entries) {
      const { originalDigest, params, ownerId } = entry.claim.claim.commitment.preimage;
      const spaces = entry.body.order === null ? null : entry.body.order.spaces;
      const key = toCanonicalJson({ originalDigest, ownerId, topology: params.topologyDigest, spaces });
      groups.set(key, [...(groups.get(key) ?? []), entry]);
    }
  }
  return { groups: [...groups.values()].map((entries) => ({ claim: entries[0].claim, entries })), faults };
}
