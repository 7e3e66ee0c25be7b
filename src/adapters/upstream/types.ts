/** What a line to an inference server is opened with, and what it tells of itself. */
import type { UPSTREAM_LIMITS } from '../../core/limits/upstream.ts';
import type { HeaderList, Upstream } from '../../gateway/ports.ts';

export type UpstreamLimits = { readonly [Name in keyof typeof UPSTREAM_LIMITS]: number };

export interface UpstreamOptions {
  /** Of the configuration; never told to callers. */
  readonly name: string;
  /** `https://HOST[:PORT][/PATH]`; paths of requests are put behind that of the address. */
  readonly url: string;
  /** Plaintext to another machine; to this machine it needs no leave. */
  readonly allowPlaintext?: boolean;
  readonly tls?: UpstreamTls;
  readonly addresses?: AddressRules;
  /** Sent with each request, such as a credential of the gateway. */
  readonly headers?: HeaderList;
  readonly limits?: Partial<UpstreamLimits>;
  /** Addresses of a name; the system's resolver without it. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
  /** Told of files that could not be taken, and of nothing that a caller can cause. */
  readonly onTrouble: (error: unknown) => void;
}

export interface UpstreamTls {
  /** PEM: authorities that the server's certificate must be under; Node's own without it. */
  readonly authoritiesPath?: string;
  /** PEM: what the gateway shows, its own certificate first. */
  readonly certificatePath?: string;
  /** PEM, not encrypted. */
  readonly privateKeyPath?: string;
  /** Name that is asked for, and must be in the certificate, where it is not that of the address. */
  readonly servername?: string;
  /** SHA-256 of public keys (SPKI, DER) in lower-case hex, of which the server's must be one. */
  readonly pins?: readonly string[];
  /** TLS 1.3 without it. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
}

/** Networks as `ADDRESS/BITS`. What is allowed is asked though it is on the built-in list of refused ones. */
export interface AddressRules {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

/** Counts since the start, but for those "now". */
export interface UpstreamStats {
  readonly requestsNow: number;
  readonly waitingNow: number;
  readonly connectionsNow: number;
  readonly requests: number;
  readonly connections: number;
  /** Connections that were refused, and tried once more. */
  readonly retries: number;
  readonly reloads: number;
}

export interface OpenedUpstream extends Upstream {
  readonly stats: UpstreamStats;
  /**
   * Looks at the files of certificates and keys now. True when others are in use than before; requests under way end on
   * the connections that they have.
   * @throws GatewayError UPSTREAM_TLS_INVALID: those in use stay
   */
  reloadTls(): Promise<boolean>;
}
