/** What licences need from outside: a key that stays on the device, a counter that only goes up, parts that tell a machine. */
import type { EcPublicJwk } from './jwk.ts';

export type { EcPublicJwk };

/** Where a private key lives: in a file that software can copy, or in a chip that does not give it out. */
export type Assurance = 'software' | 'tpm';

/** What a vendor knows of a device key, least first: that it is in a TPM is the device's word, or was proven under a maker's certificate. */
export const ASSURANCES = ['software', 'tpm', 'tpm-certified'] as const;
export type KnownAssurance = (typeof ASSURANCES)[number];

/**
 * A P-256 key that agrees on secrets (ECDH).
 *
 * An implementer must refuse points that are not on the curve, must never give out or log the private key, and must
 * return the x coordinate of private key times `peer`, 32 bytes, in a fresh buffer that the caller wipes.
 */
export interface AgreementKey {
  readonly publicKey: EcPublicJwk;
  /** @throws LicenseError LICENSE_DEVICE_KEY_INVALID; TpmError */
  agree(peer: EcPublicJwk): Promise<Uint8Array>;
}

/** The key that a licence is bound to. */
export interface DeviceKey extends AgreementKey {
  readonly assurance: Assurance;
}

/** What a vendor learns of a key in a TPM. Areas are TPMT_PUBLIC, certificates DER. */
export interface KeyEndorsement {
  /** Of the device key. */
  readonly area: Uint8Array;
  /** Of the TPM's endorsement key. */
  readonly ek: Uint8Array;
  /** By which the maker says whose endorsement key it is. */
  readonly certificate: Uint8Array;
  /** Of the maker's authorities, as far as the TPM has them. */
  readonly chain: readonly Uint8Array[];
}

/** A secret that only the TPM with one endorsement key opens, and only while it has one key. */
export interface KeyCredential {
  readonly blob: Uint8Array;
  readonly encryptedSeed: Uint8Array;
}

/** Proves in which chip the device key is. */
export interface KeyProver {
  /** Null where no maker's certificate can be read. @throws TpmError */
  describe(): Promise<KeyEndorsement | null>;
  /** The secret, in a buffer that the caller wipes. @throws LicenseError LICENSE_CREDENTIAL_REFUSED; TpmError */
  activate(credential: KeyCredential): Promise<Uint8Array>;
}

/** Time by a chip: how long it was powered, since it was first used. */
export interface ChipTime {
  /** Milliseconds. */
  readonly clockMs: number;
  /** Starts of the machine, and restarts since the last one. */
  readonly resets: number;
  readonly restarts: number;
  /** False when the chip lost power, and may have been further before. */
  readonly isSafe: boolean;
}

/**
 * A clock that users of the device cannot set back.
 *
 * An implementer must tell the time of the chip that has the device key, as that chip vouches for it.
 */
export interface ChipClock {
  /** @throws TpmError */
  read(): Promise<ChipTime>;
}

/**
 * A number that goes up only, kept where an older copy of the device's files does not bring an older number back.
 *
 * An implementer must make an increment durable before it returns, and must never return a smaller number later.
 */
export interface MonotonicCounter {
  /** True where putting back files of the device cannot turn the counter back: a TPM. */
  readonly isTamperResistant: boolean;
  /** Which counter it is, at most 64 characters: the record of licences names it, so that no other one is put in its place. */
  readonly id: string;
  /** 0 before the first increment. */
  read(): Promise<number>;
  /** One more; the new value. */
  increment(): Promise<number>;
}

/** Parts of a machine by name, as text; parts that cannot be read are absent. */
export type MachineParts = Readonly<Partial<Record<MachinePart, string>>>;

/** None of them decides alone. Addresses of network cards are not among them: virtual ones change at every start. */
export const MACHINE_PARTS = [
  'tpm-ek',
  'machine-id',
  'product-uuid',
  'board-serial',
  'disk-serial',
  'cloud-instance',
  'cpu',
  'device-id',
] as const;

export type MachinePart = (typeof MACHINE_PARTS)[number];

/** Reads the parts of this machine. An implementer must leave out what it cannot read, and must not throw for it. */
export interface MachineReader {
  read(): Promise<MachineParts>;
}

/** A licence as the vendor keeps it. */
export interface IssuedLicense {
  /** Its name, `jti`. */
  readonly name: string;
  readonly seq: number;
  /** Thumbprint of the device's key. */
  readonly jkt: string;
  readonly jwk: EcPublicJwk;
  readonly sealId: string;
  /** To whom. */
  readonly licensee: string;
  /** Place in the status list. */
  readonly index: number;
  readonly standing: 'valid' | 'suspended' | 'revoked';
  /** Pool of seats that it draws from, and how many there are; null for a licence with a seat of its own. */
  readonly pool: { readonly id: string; readonly seats: number } | null;
  readonly issuedSec: number;
  readonly expiresSec: number;
  /** The licence file as it was given out last, UTF-8 JSON: readable to the device alone. */
  readonly file: string;
}

/** A seat that a device holds. */
export interface Lease {
  readonly id: string;
  readonly pool: string;
  readonly license: string;
  readonly jkt: string;
  /** Until when others do not get it, drift included, seconds. */
  readonly freeSec: number;
  /** Somebody else has the seat now; kept so that its holder is told, and counts as long as he may use it unheard. */
  readonly isTakenOver: boolean;
  /** Its holder asked since. */
  readonly isTold: boolean;
}

/** What one transaction sees and does. Times are seconds. */
export interface LicenseTransaction {
  findLicense(name: string): Promise<IssuedLicense | null>;
  /** Adds one, or replaces the one of the same name. */
  saveLicense(license: IssuedLicense): Promise<void>;
  /** The next free place in the status list. */
  nextIndex(): Promise<number>;
  /**
   * Notes the number of a request; it may be forgotten after `untilSec`. `used` when it was noted before, `full` when too
   * many of the same asker, or of all, are kept: none is forgotten before its time, since it could then be used again.
   * @param of.by name of the licence, or thumbprint of a device that has none yet
   */
  useNonce(
    nonce: string,
    of: { readonly by: string; readonly nowSec: number; readonly untilSec: number },
  ): Promise<'new' | 'used' | 'full'>;
  /** The lease of a licence, also one whose seat was taken over; null when it has none, or when its time is up. */
  findLease(license: string, nowSec: number): Promise<Lease | null>;
  /** A seat of the pool that this device holds. */
  findSeat(pool: string, jkt: string, nowSec: number): Promise<Lease | null>;
  /** Seats of the pool that others than this licence hold. */
  countTaken(pool: string, license: string, nowSec: number): Promise<number>;
  /** Leases of the pool that were taken over from others than this licence, and whose time is not up. */
  countTakenOver(pool: string, license: string, nowSec: number): Promise<number>;
  saveLease(lease: Lease): Promise<void>;
  removeLease(id: string): Promise<void>;
}

/** A licence as it is listed: without the file and the key of its device. */
export type ListedLicense = Omit<IssuedLicense, 'file' | 'jwk'>;

/** Standings of all licences by their places. */
export interface Standings {
  /** Places that were given out, 0 to count - 1. */
  readonly count: number;
  readonly revoked: readonly number[];
  readonly suspended: readonly number[];
}

/**
 * The vendor's register of licences.
 *
 * An implementer must let no two transactions see the same state and both change it, must make changes durable before the
 * promise is fulfilled, and must change nothing when `work` throws.
 * @throws LicenseError LICENSE_REGISTER_MOVED; DatabaseError
 */
export interface LicenseStore {
  transact<T>(work: (transaction: LicenseTransaction) => Promise<T>): Promise<T>;
  /** In the order of their places, from `fromIndex` on, at most `count`. */
  listLicenses(page: { readonly fromIndex: number; readonly count: number }): Promise<readonly ListedLicense[]>;
  readStandings(): Promise<Standings>;
  close(): Promise<void>;
}
