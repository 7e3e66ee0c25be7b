/** A certificate authority that is made for one server and its clients, and forgotten, or kept under a passphrase. */

export type TlsName =
  | { readonly kind: 'dns'; readonly text: string }
  /** IPv4 (4 bytes) or IPv6 (16 bytes), in network byte order. */
  | { readonly kind: 'ip'; readonly text: string; readonly bytes: Uint8Array };

export interface TlsClientName {
  readonly name: string;
  /** SPIFFE id: `spiffe://<trust domain>/client/<name>`. */
  readonly uri: string;
}

export interface TlsIssueRequest {
  /** Of the server; the authority can vouch for these and for nothing else. */
  readonly names: readonly TlsName[];
  readonly clients: readonly TlsClientName[];
  /** Host part of every SPIFFE id that the authority can vouch for. */
  readonly trustDomain: string;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** UTF-8; null: the authority's key is never written, and gone when this is done. */
  readonly passphrase: Uint8Array | null;
}

/** A certificate with its key, PEM; the key is PKCS#8, not encrypted. */
export interface TlsPair {
  readonly certificatePem: string;
  readonly privateKeyPem: Uint8Array;
}

export interface TlsIssued {
  readonly authorityPem: string;
  /** PKCS#8 under PBES2; null when it is not kept. */
  readonly authorityKeyPem: Uint8Array | null;
  readonly server: TlsPair;
  /** In the order that they were asked for. */
  readonly clients: readonly TlsPair[];
}

export interface TlsAuthority {
  /**
   * Makes an authority and what it vouches for. An implementation must constrain the authority to the names, allow none
   * below it, and never write a key anywhere.
   */
  issue(request: TlsIssueRequest): Promise<TlsIssued>;
}
