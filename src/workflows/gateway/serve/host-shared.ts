/** What machines share, and who says beside the table of keys who asks. */
import type { AddressLimiter, IdentityConfig, Permits } from '../../../gateway/index.ts';
import type { JwksLink, RateCounter, RateStore } from '../../../gateway/ports.ts';

export interface HostShared {
  /** Counts rates for several machines; null: this process counts. */
  readonly counter: RateCounter | null;
  /** The ways to the issuers of all rules, each by the name of its rules. @throws SourceError of a file with an authority */
  readonly openIssuerLinks: (identity: IdentityConfig) => Promise<(rules: string) => JwksLink>;
  /** Told of a part that works again after trouble. */
  readonly onRecovered: (part: string) => void;
}

/** What the processes of one machine count together: in the first of them. */
export interface SharedLimits {
  readonly rates: RateStore;
  readonly permits: Permits;
  /** What one of them knows of addresses, all of them know. */
  readonly share: (own: AddressLimiter) => AddressLimiter;
}
