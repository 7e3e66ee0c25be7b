/** Caps on licences, requests, answers and status lists, each with its reason. */

export const LICENSE_LIMITS = {
  /** A licence with a full fingerprint and 64 entitlements is some 4 KiB. */
  jwsCharsMax: 32 * 1024,
  /** A licence file holds one licence and one key document. */
  fileBytesMax: 64 * 1024,
  /** One bit or two for each of a million licences, compressed: at most 250 KiB, and base64 twice. */
  statusTokenCharsMax: 1024 * 1024,
  /** Inflated list: four million licences at two bits. A small token may inflate a thousand times. */
  statusListBytesMax: 1024 * 1024,
  /** Largest index: what the list of the largest size holds. */
  statusIndexMax: 4 * 1024 * 1024 - 1,
  textCharsMax: 256,
  entitlementsMax: 64,
  fingerprintPartsMax: 16,
  /** Bytes read from one place that tells of the machine. */
  fingerprintPartBytesMax: 4096,
  /** Vendor keys that are pinned at once: the one in use and the next, for several vendors. */
  vendorKeysMax: 16,
  /** Licences that one device keeps a record of. */
  stateLicensesMax: 256,
  stateBytesMax: 512 * 1024,
  /** Clocks of devices without time service are off by minutes. */
  skewSecDefault: 5 * 60,
  skewSecMax: 24 * 3600,
  /** Two days without contact, as other vendors allow; none to 30 days can be set. */
  graceSecDefault: 48 * 3600,
  graceSecMax: 30 * 24 * 3600,
  /** Longest that a seat may be used without contact. */
  leaseSecDefault: 600,
  leaseSecMin: 60,
  leaseSecMax: 30 * 24 * 3600,
  /** A lease that was not renewed is given to others this much later: clocks drift, and messages take time. */
  leaseDriftSec: 30,
  /** Online requests older than this are refused. */
  requestAgeSec: 5 * 60,
  /** Request files are carried by hand. */
  requestFileAgeSec: 14 * 24 * 3600,
  seatsMax: 100_000,
  /** From here on a licence that is about to expire says so. */
  dueSoonSec: 14 * 24 * 3600,
  /** Body of a request to the server, and of its answer. */
  bodyBytesMax: 128 * 1024,
  headerBytesMax: 8 * 1024,
  requestTimeoutMs: 15_000,
  /** Requests that wait for the server at once. */
  connectionsMax: 512,
} as const;
