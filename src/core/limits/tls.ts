/** Caps of the quick-start certificate authority. */

export const TLS_LIMITS = {
  /** Names and addresses of one server. */
  namesMax: 32,
  clientsMax: 64,
  /** RFC 1035, section 2.3.4. */
  nameCharsMax: 253,
  clientCharsMax: 64,
  /** Of an authority that is kept: its key signs for years. */
  passphraseCharsMin: 12,
  /** A certificate of a server or client. */
  leafDays: 90,
  /** An authority that is kept; one whose key is thrown away ends with its certificates. */
  authorityDays: 1825,
  /** "tls status" is no longer content from here on. */
  renewWithinDays: 21,
  /** Rounds of PBKDF2-HMAC-SHA-256 (OWASP, 2023). */
  pbkdf2Rounds: 600_000,
  fileBytesMax: 1024 * 1024,
} as const;
