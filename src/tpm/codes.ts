/** Numbers of TPM 2.0 that are used here (Part 2, and the TCG algorithm registry). */

export const ALG = {
  rsa: 0x0001,
  aes: 0x0006,
  keyedHash: 0x0008,
  sha256: 0x000b,
  null: 0x0010,
  ecdsa: 0x0018,
  ecc: 0x0023,
  cfb: 0x0043,
} as const;

export const CC = {
  undefineSpace: 0x122,
  nvDefineSpace: 0x12a,
  createPrimary: 0x131,
  nvIncrement: 0x134,
  activateCredential: 0x147,
  certify: 0x148,
  nvRead: 0x14e,
  policySecret: 0x151,
  create: 0x153,
  ecdhZGen: 0x154,
  load: 0x157,
  quote: 0x158,
  unseal: 0x15e,
  flushContext: 0x165,
  nvReadPublic: 0x169,
  startAuthSession: 0x176,
  pcrRead: 0x17e,
  policyPcr: 0x17f,
  readClock: 0x181,
} as const;

export type CommandCode = (typeof CC)[keyof typeof CC];

export const HANDLE = { owner: 0x40000001, null: 0x40000007, password: 0x40000009, endorsement: 0x4000000b } as const;

export const TAG = { noSessions: 0x8001, sessions: 0x8002 } as const;

export const SESSION_TYPE = { hmac: 0x00, policy: 0x01 } as const;

/** Attributes of a session in a command (TPMA_SESSION). */
export const SESSION = { continue: 0x01, decrypt: 0x20, encrypt: 0x40, audit: 0x80 } as const;

/** Attributes of an object (TPMA_OBJECT). */
export const OBJECT = {
  fixedTpm: 1 << 1,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  userWithAuth: 1 << 6,
  adminWithPolicy: 1 << 7,
  noDa: 1 << 10,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const;

export const CURVE_P256 = 0x0003;

/** Response codes without the number of handle, session or parameter. */
export const RC = {
  success: 0x000,
  authFail: 0x08e,
  handle: 0x08b,
  value: 0x084,
  policyFail: 0x09d,
  integrity: 0x09f,
  badAuth: 0x0a2,
  size: 0x095,
  eccPoint: 0x0a7,
  initialize: 0x100,
  pcrChanged: 0x128,
  nvLocked: 0x148,
  nvUninitialized: 0x14a,
  nvDefined: 0x14c,
  objectMemory: 0x902,
  sessionMemory: 0x903,
  memory: 0x904,
  yielded: 0x908,
  testing: 0x90a,
  nvRate: 0x920,
  lockout: 0x921,
  retry: 0x922,
} as const;

/** Of format 1 (bit 7), bits 6 and 8 to 11 say which parameter, handle or session is meant. */
export function toBaseRc(rc: number): number {
  return (rc & 0x80) === 0 ? rc : rc & 0xbf;
}
