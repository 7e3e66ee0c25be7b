/**
 * A device key inside a TPM 2.0, a counter in its memory, its clock, and the proof that the key is in it: neither the key
 * nor an older number can be had by copying files. The file here holds the encrypted key, which that TPM alone can load, and no secret.
 */
import { z } from 'zod';
import { findBase64Bytes, findHexBytes, toBase64, toHex, utf8 } from '../../core/bytes.ts';
import { toCanonicalJson } from '../../core/canonical-json.ts';
import { LicenseError, TpmError } from '../../core/errors.ts';
import { LICENSE_LIMITS } from '../../core/limits/license.ts';
import type { Pause, Random } from '../../core/ports.ts';
import type {
  ChipClock,
  ChipTime,
  DeviceKey,
  EcPublicJwk,
  KeyCredential,
  KeyEndorsement,
  KeyProver,
  MonotonicCounter,
} from '../../license/ports.ts';
import { writeFileAtomic } from '../../source/atomic.ts';
import type { Storage } from '../../source/ports.ts';
import {
  activateCredential,
  agree,
  AGREEMENT_TEMPLATE,
  createKey,
  defineCounter,
  findMakerCertificate,
  incrementCounter,
  isRefusal,
  RC,
  readClock,
  readCounter,
  readPoint,
  type Tpm,
  type TpmTransport,
  withEndorsementKey,
  withLoaded,
  withStorageRoot,
} from '../../tpm/index.ts';

export interface TpmKeyOptions {
  readonly storage: Storage;
  /** Absolute path of the key's file. */
  readonly path: string;
  readonly random: Random;
  readonly pause: Pause;
  readonly openTpm: (address: string | null) => Promise<TpmTransport>;
}

export interface TpmDevice {
  readonly key: DeviceKey;
  readonly counter: MonotonicCounter;
  readonly clock: ChipClock;
  readonly prover: KeyProver;
}

/** Owner's range of indices, from where other products are not known to begin. */
const COUNTERS = { first: 0x01804d57, count: 16 };
const PART_CHARS_MAX = 1024;

const part = z
  .string()
  .max(PART_CHARS_MAX)
  .transform((text) => findBase64Bytes(text) ?? new Uint8Array())
  .refine(({ length }) => length > 0);

const fileShape = z.strictObject({
  v: z.literal(1),
  type: z.literal('modelward-tpm-device-key'),
  /** Line to the TPM; null for the system's own. */
  address: z.string().max(LICENSE_LIMITS.textCharsMax).nullable(),
  /** Name of the TPM's storage root key: which TPM it is. */
  root: z.string().transform((hex) => findHexBytes(hex) ?? new Uint8Array()),
  area: part,
  privatePart: part,
  counter: z
    .int()
    .min(COUNTERS.first)
    .max(COUNTERS.first + COUNTERS.count - 1),
});

type KeyFile = z.output<typeof fileShape>;

/**
 * Makes the key in the TPM and a counter beside it.
 * @throws LicenseError LICENSE_DEVICE_KEY_EXISTS; TpmError TPM_UNAVAILABLE | TPM_REFUSED when no index is free
 */
export async function createTpmDevice(options: TpmKeyOptions, address: string | null): Promise<TpmDevice> {
  const { storage, path } = options;
  if (storage.exists(path)) throw new LicenseError('LICENSE_DEVICE_KEY_EXISTS');
  const file = await withTpm(options, address, (tpm) =>
    withStorageRoot(tpm, { name: null }, async (root): Promise<KeyFile> => {
      const { area, privatePart } = await createKey(tpm, root, AGREEMENT_TEMPLATE);
      const counter = await makeCounter(tpm);
      return { v: 1, type: 'modelward-tpm-device-key', address, root: root.name, area, privatePart, counter };
    }),
  );
  const { root, area, privatePart, ...rest } = file;
  const texts = { root: toHex(root), area: toBase64(area), privatePart: toBase64(privatePart) };
  const bytes = utf8(`${toCanonicalJson({ ...rest, ...texts })}\n`);
  const write = (sink: { write(chunk: Uint8Array): void }): void => {
    sink.write(bytes);
  };
  writeFileAtomic({ storage, path, mode: 0o600, replace: false, write });
  return toDevice(options, file);
}

/** @throws LicenseError LICENSE_DEVICE_KEY_MISSING | LICENSE_DEVICE_KEY_INVALID */
export function openTpmDevice(options: TpmKeyOptions): TpmDevice {
  const { storage, path } = options;
  if (!storage.exists(path)) throw new LicenseError('LICENSE_DEVICE_KEY_MISSING');
  const file = fileShape.safeParse(findJson(storage.read(path)));
  if (!file.success) throw new LicenseError('LICENSE_DEVICE_KEY_INVALID', { fields: { fault: 'content' } });
  return toDevice(options, file.data);
}

function findJson(bytes: Uint8Array): unknown {
  try {
    return bytes.length <= LICENSE_LIMITS.fileBytesMax ? JSON.parse(Buffer.from(bytes).toString('utf8')) : undefined;
  } catch {
    return undefined;
  }
}

async function makeCounter(tpm: Tpm): Promise<number> {
  for (let handle = COUNTERS.first; handle < COUNTERS.first + COUNTERS.count; handle++) {
    try {
      await defineCounter(tpm, handle);
      // A new counter has no value before its first step.
      await incrementCounter(tpm, handle);
      return handle;
    } catch (error) {
      if (!isRefusal(error, RC.nvDefined)) throw error;
    }
  }
  throw new TpmError('TPM_REFUSED', { fields: { nv: COUNTERS.first } });
}

function toDevice(options: TpmKeyOptions, file: KeyFile): TpmDevice {
  const { address, counter: handle } = file;
  const { x, y } = readPoint(file.area);
  const inTpm = <T>(use: (tpm: Tpm) => Promise<T>): Promise<T> => withTpm(options, address, use);
  const publicKey: EcPublicJwk = { kty: 'EC', crv: 'P-256', x: toText(x), y: toText(y) };
  return {
    key: {
      assurance: 'tpm',
      publicKey,
      agree: (peer) => inTpm((tpm) => agreeInside(tpm, file, peer)),
    },
    counter: {
      isTamperResistant: true,
      id: `tpm-nv:${handle.toString(16)}`,
      read: async () => Number(await inTpm((tpm) => readCounter(tpm, handle))),
      increment: async () => Number(await inTpm((tpm) => incrementCounter(tpm, handle))),
    },
    clock: { read: () => inTpm((tpm) => readTime(tpm, file)) },
    prover: {
      describe: () => inTpm((tpm) => describeKey(tpm, file)),
      activate: (credential) => inTpm((tpm) => openCredential(tpm, file, credential)),
    },
  };
}

/** @throws TpmError TPM_RESPONSE_FORGED on another TPM than the key was made in */
function agreeInside(tpm: Tpm, { root: name, area, privatePart }: KeyFile, peer: EcPublicJwk): Promise<Uint8Array> {
  const point = { x: Buffer.from(peer.x, 'base64url'), y: Buffer.from(peer.y, 'base64url') };
  return withStorageRoot(tpm, { name }, (root) =>
    withLoaded(tpm, { parent: root, blob: { area, privatePart } }, (key) => agree(tpm, key, { root, point })),
  );
}

/** As the TPM with the key vouches for it. @throws TpmError TPM_RESPONSE_INVALID for a time that no number here holds */
function readTime(tpm: Tpm, { root: name }: KeyFile): Promise<ChipTime> {
  return withStorageRoot(tpm, { name }, async (root) => {
    const { clockMs, resetCount: resets, restartCount: restarts, isSafe } = await readClock(tpm, root);
    if (clockMs > Number.MAX_SAFE_INTEGER) throw new TpmError('TPM_RESPONSE_INVALID', { fields: { at: 'clock' } });
    return { clockMs: Number(clockMs), resets, restarts, isSafe };
  });
}

async function describeKey(tpm: Tpm, { area }: KeyFile): Promise<KeyEndorsement | null> {
  const found = await findMakerCertificate(tpm);
  if (found === undefined) return null;
  const { kind, certificate, chain } = found;
  try {
    const ek = await withEndorsementKey(tpm, kind, (key) => Promise.resolve(key.area));
    return { area, ek, certificate, chain };
  } catch (error) {
    // Its owner gave the endorsement hierarchy a password: the key in it cannot be had, and proves nothing.
    if (isRefusal(error, RC.authFail) || isRefusal(error, RC.badAuth)) return null;
    throw error;
  }
}

/** What a TPM answers to a credential for another endorsement key, or for another name. */
const NOT_FOR_US = [RC.integrity, RC.value, RC.size, RC.eccPoint];

async function openCredential(tpm: Tpm, file: KeyFile, credential: KeyCredential): Promise<Uint8Array> {
  const found = await findMakerCertificate(tpm);
  if (found === undefined) throw new LicenseError('LICENSE_EK_MISSING');
  const { root: name, area, privatePart } = file;
  try {
    return await withStorageRoot(tpm, { name }, (root) =>
      withLoaded(tpm, { parent: root, blob: { area, privatePart } }, (key) =>
        withEndorsementKey(tpm, found.kind, (endorsement) =>
          activateCredential(tpm, credential, { key, endorsement, root }),
        ),
      ),
    );
  } catch (cause) {
    if (NOT_FOR_US.some((rc) => isRefusal(cause, rc))) throw new LicenseError('LICENSE_CREDENTIAL_REFUSED', { cause });
    throw cause;
  }
}

async function withTpm<T>(
  { openTpm, random, pause }: TpmKeyOptions,
  address: string | null,
  use: (tpm: Tpm) => Promise<T>,
): Promise<T> {
  const transport = await openTpm(address);
  try {
    return await use({ transport, random, pause });
  } finally {
    await transport.close();
  }
}

function toText(coordinate: Uint8Array): string {
  return Buffer.from(coordinate).toString('base64url');
}
