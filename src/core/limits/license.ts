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
  /** Of the ledger of a device, the entries that are looked through for the newest use: one bundle, which is read at once. */
  ledgerLookBackEntries: 256,
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
  /** Clocks of servers differ by so much at most, or are set back: numbers of requests are kept for longer than one of them takes them. */
  serverSkewSec: 5 * 60,
  /** Public area of a device key; that of an RSA endorsement key is 314 bytes. */
  areaBytesMax: 1024,
  /** Makers' certificates are 1 to 2 KiB, and at most three authorities stand between them and a root. */
  ekCertificateBytesMax: 4096,
  ekChainMax: 4,
  ekChainBytesMax: 2048,
  /** Credentials: 66 bytes, and 256 of a seed that is encrypted with RSA. */
  credentialBytesMax: 512,
  /** A TPM's clock may run 15 % too fast, and be adjusted by as much again: less of its time counts. */
  chipRate: 0.75,
  /** Numbers of requests that are kept for one licence: most go after ten minutes, so this is one in 2.4 seconds. */
  noncesPerLicenseMax: 256,
  /** And for all: some 150 MB of a database. */
  noncesMax: 1_000_000,
  /** Requests that are answered in one transaction, with one entry of the ledger each. */
  answerBatchMax: 64,
  /** Licences that are read at once to be listed. */
  listPageMax: 1000,
  /** Rows of one insertion when a register is moved: SQLite takes 32,766 values. */
  moveRowsMax: 500,
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
