/** Caps on untrusted evidence, certificates, collateral and policies of the attest area, each with its reason. */

export const ATTEST_LIMITS = {
  /** Quotes with their chain are 4-8 KiB, Nitro documents at most 16 KiB; JSON evidence carries certificates in base64. */
  evidenceBytesMax: 256 * 1024,
  /** Collateral of one platform is 16 KiB; a full PCK revocation list may grow. */
  collateralBytesMax: 4 * 1024 * 1024,
  /** Files of collateral for one piece of evidence: a chain and its revocation lists. */
  collateralFilesMax: 16,
  /** Vendor certificates are below 2.2 KiB; those of a TPM maker with long policies below 8. */
  certificateBytesMax: 16 * 1024,
  /** Certificates in one chain: Nitro has five, PCK three. */
  chainCertificatesMax: 10,
  extensionsMax: 64,
  /** Intel's PCK lists hold a few hundred entries; a hundred thousand leaves room and stays below 4 MiB. */
  crlBytesMax: 4 * 1024 * 1024,
  crlEntriesMax: 100_000,
  /** Data that a quoting enclave binds to its key: 32 bytes in practice, the field would allow 64 KiB. */
  qeAuthBytesMax: 1024,
  /** TCB levels that Intel publishes for one platform: below 30. */
  tcbLevelsMax: 256,
  advisoriesMax: 256,
  tdxModulesMax: 64,
  /** Clocks of verifiers differ; collateral may be this much from the future. */
  clockSkewMs: 5 * 60 * 1000,
  /** CBOR of a Nitro document nests three deep: map, map of PCRs, bytes. */
  cborDepthMax: 4,
  cborItemsMax: 256,
  /** user_data, nonce and public_key of a Nitro document (AWS Nitro Enclaves, attestation document specification). */
  nitroFieldBytesMax: 1024,
  nitroPcrsMax: 32,
  nitroBundleMax: 8,
  /** TPM 2.0 Part 2: structures are 16-bit sized; quotes are some 150 bytes. */
  tpmQuoteBytesMax: 2048,
  tpmSignatureBytesMax: 1024,
  tpmBanksMax: 8,
  tpmPcrsMax: 24,
  /** A policy lists measurements; ten thousand of them fit. */
  policyBytesMax: 2 * 1024 * 1024,
  policyListMax: 10_000,
  /** Report data of SEV-SNP, SGX and TDX; the longest nonce that is compared anywhere is Nitro's. */
  reportDataBytes: 64,
  nonceBytesMin: 16,
  /** How long a challenge may stay unanswered (note: at most five minutes). */
  nonceLifeMs: 5 * 60 * 1000,
  /** Challenges kept at a time: beyond it the oldest go, and their answers are refused. */
  noncesMax: 65_536,
  /** Evidence verified for a time further from now than this does not pass a policy. */
  verifiedAgeMsMax: 5 * 60 * 1000,
  /** Collateral over a network: chains in headers are below 6 KiB percent-encoded; AMD takes some seconds for an answer. */
  serviceHeaderBytesMax: 32 * 1024,
  serviceAnswerBytesMax: 8 * 1024 * 1024,
  serviceTimeoutMs: 60_000,
  /** Blobs that the kernel hands out: certificate tables are some 16 KiB. */
  tsmBlobBytesMax: 64 * 1024,
} as const;
