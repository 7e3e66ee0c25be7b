/** What licences need from outside: a key that stays on the device, a counter that only goes up, parts that tell a machine. */
import type { EcPublicJwk } from './jwk.ts';

export type { EcPublicJwk };

/** Where a private key lives: in a file that software can copy, or in a chip that does not give it out. */
export type Assurance = 'software' | 'tpm';

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
  /** Somebody else has the seat now; kept so that its holder is told. */
  readonly isTakenOver: boolean;
}

/** What one transaction sees and does. */
export interface LicenseTransaction {
  findLicense(name: string): Promise<IssuedLicense | null>;
  /** In the order of their making. */
  listLicenses(): Promise<readonly IssuedLicense[]>;
  /** Adds one, or replaces the one of the same name. */
  saveLicense(license: IssuedLicense): Promise<void>;
  /** The next free place in the status list. */
  nextIndex(): Promise<number>;
  /** False when the number was used before; it may be forgotten after `untilSec`. */
  useNonce(nonce: string, times: { readonly nowSec: number; readonly untilSec: number }): Promise<boolean>;
  /** Leases of a pool that are not free yet. */
  listLeases(pool: string, nowSec: number): Promise<readonly Lease[]>;
  saveLease(lease: Lease): Promise<void>;
  removeLease(id: string): Promise<void>;
}

/**
 * The vendor's register of licences.
 *
 * An implementer must let no two transactions see the same state and both change it, must make changes durable before the
 * promise is fulfilled, and must change nothing when `work` throws.
 * @throws LicenseError LICENSE_STORE_FAILED
 */
export interface LicenseStore {
  transact<T>(work: (transaction: LicenseTransaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
