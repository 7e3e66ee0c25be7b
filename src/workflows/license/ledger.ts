/**
 * The ledger of a device: what it did with licences, durable before a key is handed out, and what it was refused
 * (docs/spec/license.md section 10). Its signing key is derived from the key of the device.
 */
import { join } from 'node:path';
import { toHex, zeroize } from '../../core/bytes.ts';
import { type ErrorCode, LicenseError, ModelwardError, SealError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { LICENSE_LIMITS } from '../../core/limits/license.ts';
import {
  createEd25519Signer,
  type Entry,
  type EntryInput,
  type Ledger,
  openLedger,
  type VerifierKey,
} from '../../ledger/index.ts';
import type { NoteSigner } from '../../ledger/ports.ts';
import { deriveDeviceSecret, toThumbprint } from '../../license/index.ts';
import type { AgreementKey } from '../../license/ports.ts';
import type { Device, DeviceServices } from './services.ts';

/** What a device did. */
export type DeviceEntry = Pick<Extract<EntryInput, { type: 'license-use' }>, 'subject' | 'digests' | 'detail'>;

export interface DeviceLedger {
  /** Number of entries. */
  size(): number;
  /**
   * When the newest use from entry `from` on was recorded, seconds; 0 when there was none lately. Refusals do not count: what
   * is refused teaches nothing about the time.
   */
  findNewestUseSec(from: number): number;
  /** Durable when it returns. */
  append(entry: DeviceEntry): void;
  close(): void;
}

/** Where the ledger of a device is. */
export function toDeviceLedgerFolder({ deviceFolder }: Pick<DeviceServices, 'deviceFolder'>): string {
  return join(deviceFolder, 'ledger');
}

/** @throws LicenseError LICENSE_LEDGER_FAILED, also of each of its methods */
export async function openDeviceLedger(services: DeviceServices, { key }: Pick<Device, 'key'>): Promise<DeviceLedger> {
  const signer = await openSigner(key);
  const ledger = await guard(() => openWith(services, signer)).catch((error: unknown) => {
    signer.close();
    throw error;
  });
  const actor = toThumbprint(key.publicKey);
  return {
    size: () => ledger.reader().head.size,
    findNewestUseSec: (from) => guardNow(() => findNewestUseSec(ledger, from)),
    append: (entry) => guardNow(() => ledger.append([{ type: 'license-use', actor, ...entry }])),
    close: () => {
      try {
        guardNow(() => {
          ledger.close();
        });
      } finally {
        signer.close();
      }
    },
  };
}

/** The key that the ledger of this device must have, and what completes a batch that a killed process left. */
export interface DeviceLedgerKeeper {
  readonly key: VerifierKey;
  recover(): Promise<void>;
  close(): void;
}

/** Null where the key of the device is not at hand: on another machine, or before it is enrolled. */
export async function findLedgerKeeper(services: DeviceServices): Promise<DeviceLedgerKeeper | null> {
  const device = await services.openDevice().catch((error: unknown) => {
    if (error instanceof LicenseError && NOT_COUNTED.has(error.code)) return null;
    throw error;
  });
  if (device === null) return null;
  try {
    const signer = await openSigner(device.key);
    return {
      key: { name: signer.name, keyId: signer.keyId, publicKey: signer.publicKey },
      recover: async () => {
        (await openWith(services, signer)).close();
      },
      close: () => {
        signer.close();
      },
    };
  } finally {
    await device.close();
  }
}

/**
 * Runs `story`, and counts in the ledger of the device what it refuses. Without a key of the device there is no ledger.
 * @param file what it is about, until `story` tells a verified name: what a file says of itself may be wrong
 * @throws what `story` throws; LicenseError LICENSE_LEDGER_FAILED with the code in "refused" when it cannot be counted
 */
export async function countRefusals<T>(
  services: DeviceServices,
  file: Uint8Array,
  story: (tellName: (name: string) => void) => Promise<T>,
): Promise<T> {
  let subject = `sha256:${toHex(sha256(file))}`;
  const tellName = (name: string): void => {
    subject = name;
  };
  try {
    return await story(tellName);
  } catch (error) {
    if (isRefusal(error)) await count(services, { subject, cause: error.code });
    throw error;
  }
}

/** Refused where there is no ledger: no key to sign it, or somebody else who has it. */
const NOT_COUNTED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'LICENSE_DEVICE_KEY_MISSING',
  'LICENSE_DEVICE_KEY_INVALID',
  'LICENSE_STATE_BUSY',
  'LICENSE_LEDGER_FAILED',
]);

function isRefusal(error: unknown): error is ModelwardError {
  if (error instanceof LicenseError) return !NOT_COUNTED.has(error.code);
  // Those of a child process are told by their code alone.
  return error instanceof SealError || (error instanceof ModelwardError && /^SEAL_|^NOT_SEALED$/.test(error.code));
}

async function count(services: DeviceServices, refusal: { readonly subject: string; readonly cause: ErrorCode }) {
  const device = await services.openDevice().catch(() => null);
  // Whoever has no key can be given none.
  if (device === null) return;
  try {
    const signer = await openSigner(device.key);
    try {
      await guard(async () => {
        const ledger = await openWith(services, signer);
        try {
          ledger.refuse({ actor: toThumbprint(device.key.publicKey), ...refusal });
        } finally {
          ledger.close();
        }
      }, refusal.cause);
    } finally {
      signer.close();
    }
  } finally {
    await device.close();
  }
}

async function openSigner(key: AgreementKey): Promise<NoteSigner> {
  const seed = await deriveDeviceSecret(key, 'ledger');
  try {
    return createEd25519Signer({ name: `modelward/device/${toThumbprint(key.publicKey)}`, seed });
  } finally {
    zeroize(seed);
  }
}

function openWith(services: DeviceServices, signer: NoteSigner): Promise<Ledger> {
  const { storage, clock, random, lock } = services;
  return openLedger({ storage, clock, random, lock, signer, folder: toDeviceLedgerFolder(services) });
}

function findNewestUseSec(ledger: Ledger, from: number): number {
  const reader = ledger.reader();
  const { size } = reader.head;
  const first = Math.max(from, size - LICENSE_LIMITS.ledgerLookBackEntries);
  for (let index = size - 1; index >= first; index--) {
    const entry: Entry = reader.read(index);
    if (entry.type === 'license-use') return Math.floor(Date.parse(entry.ts) / 1000);
  }
  return 0;
}

async function guard<T>(act: () => Promise<T>, refused?: ErrorCode): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw toFailure(error, refused);
  }
}

function guardNow<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw toFailure(error);
  }
}

function toFailure(cause: unknown, refused?: ErrorCode): LicenseError {
  const reason = cause instanceof ModelwardError ? cause.code : 'UNKNOWN';
  const fields = { reason, ...(refused === undefined ? {} : { refused }) };
  return new LicenseError('LICENSE_LEDGER_FAILED', { fields, cause });
}
