/** Caps of the key broker: what an unknown client may send, and what it may make the broker remember. */

export const BROKER_LIMITS = {
  /** Life of a session: challenge, token and cookie end together (at most the five minutes of a nonce). */
  sessionLifeMs: 5 * 60 * 1000,
  /** Sessions at a time; one is some 8 KiB once attested, so 32 MiB at most. A full table refuses, and never forgets a live one. */
  sessionsMax: 4096,
  /** Sessions of one address: a node with many guests behind one address fits. */
  sessionsPerAddressMax: 64,
  /** Sessions of all addresses of one IPv6 network of 48 bits: eight sites have to act together to fill the table. */
  sessionsPerNetworkMax: 512,
  /** Requests of one address in a minute; a release takes three. */
  requestsPerMinuteMax: 120,
  /** Requests of all addresses of one IPv6 network in a minute, so that no network fills the table of addresses. */
  requestsPerMinuteOfNetworkMax: 960,
  /** Addresses that are counted at a time; further ones share one count. */
  addressesMax: 16_384,
  /** Evidence of at most 256 KiB is 342 KiB in base64, and stands beside a key and init data. */
  bodyBytesMax: 1024 * 1024,
  /** A token is below 4 KiB; Node's own cap on headers is 16. */
  headerBytesMax: 16 * 1024,
  /** Parts of a resource name: as file names, since Trustee keeps resources as files. */
  resourcePartCharsMax: 128,
  /** JWE of a key of 32 bytes is below 1 KiB, RSA with 8192 bits included below 3. */
  answerBytesMax: 64 * 1024,
  resourcesMax: 1024,
  policiesMax: 256,
  policyBytesMax: 2 * 1024 * 1024,
  /** RSA keys of guests: below is weak (NIST SP 800-57), above is slow. */
  rsaBitsMin: 2048,
  rsaBitsMax: 8192,
  /** Connections at a time, and how long each may take for headers and for a whole request. */
  connectionsMax: 256,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  idleTimeoutMs: 5_000,
} as const;
