/** Non-volatile indices: counters that only go up, and the certificates that the maker put there. */
import { createHash } from 'node:crypto';
import { concatBytes, u32be } from '../core/bytes.ts';
import { TpmError } from '../core/errors.ts';
import { TPM_LIMITS } from '../core/limits/tpm.ts';
import { ALG, CC, HANDLE, RC } from './codes.ts';
import { execute, isRefusal, type Tpm, type TpmEntity, toHandleEntity } from './command.ts';
import { EMPTY_PASSWORD } from './session.ts';
import { readWire, sized, u16 } from './wire.ts';

/** Where the maker's certificates of endorsement keys lie (TCG EK Credential Profile, 2.2.1.4). */
export const EK_CERTIFICATE = { rsa2048: 0x01c00002, p256: 0x01c0000a } as const;

/** Attributes of an index (TPMA_NV). */
const NV = { authWrite: 1 << 2, counter: 1 << 4, authRead: 1 << 18, noDa: 1 << 25, written: 1 << 29 } as const;
const COUNTER = NV.authWrite | NV.counter | NV.authRead | NV.noDa;
const COUNTER_BYTES = 8;

interface NvIndex extends TpmEntity {
  readonly attributes: number;
  readonly sizeBytes: number;
}

/** Undefined when there is no such index. */
async function findIndex(tpm: Tpm, handle: number): Promise<NvIndex | undefined> {
  try {
    const { parameters } = await execute(tpm, { code: CC.nvReadPublic, handles: [toHandleEntity(handle)] });
    const area = parameters.sized();
    const reader = readWire(area);
    if (reader.u32() !== handle || reader.u16() !== ALG.sha256) throw new TpmError('TPM_RESPONSE_INVALID');
    const attributes = reader.u32();
    reader.sized();
    const name = concatBytes(u16(ALG.sha256), createHash('sha256').update(area).digest());
    return { handle, name, attributes, sizeBytes: reader.u16() };
  } catch (error) {
    if (isRefusal(error, RC.handle)) return undefined;
    throw error;
  }
}

/** The content of an index, or undefined where there is none: the DER of a certificate may be followed by other bytes. */
export async function findNv(tpm: Tpm, handle: number): Promise<Uint8Array | undefined> {
  const index = await findIndex(tpm, handle);
  if (index === undefined) return undefined;
  if (index.sizeBytes > TPM_LIMITS.nvBytesMax) throw new TpmError('TPM_RESPONSE_INVALID');
  const parts: Uint8Array[] = [];
  for (let at = 0; at < index.sizeBytes; at += TPM_LIMITS.nvChunkBytes) {
    parts.push(await readPart(tpm, index, { at, length: Math.min(TPM_LIMITS.nvChunkBytes, index.sizeBytes - at) }));
  }
  return concatBytes(...parts);
}

async function readPart(tpm: Tpm, index: NvIndex, part: { at: number; length: number }): Promise<Uint8Array> {
  // Read by the index's own, empty authorization, as certificates and our counters allow.
  const { parameters } = await execute(tpm, {
    code: CC.nvRead,
    handles: [index, index],
    authorizations: [EMPTY_PASSWORD],
    parameters: concatBytes(u16(part.length), u16(part.at)),
  });
  const bytes = parameters.sized();
  if (bytes.length !== part.length) throw new TpmError('TPM_RESPONSE_INVALID');
  return bytes.slice();
}

/**
 * Makes a counter; it begins above every counter that this TPM ever had, so that making it anew does not turn it back.
 * @param handle 0x01800000 to 0x01bfffff is the owner's range
 * @throws TpmError TPM_REFUSED with RC.nvDefined when it is there
 */
export async function defineCounter(tpm: Tpm, handle: number): Promise<void> {
  const area = concatBytes(u32be(handle), u16(ALG.sha256), u32be(COUNTER), sized(), u16(COUNTER_BYTES));
  await execute(tpm, {
    code: CC.nvDefineSpace,
    handles: [toHandleEntity(HANDLE.owner)],
    authorizations: [EMPTY_PASSWORD],
    parameters: concatBytes(sized(), sized(area)),
  });
}

/** One more; also the first step of a new counter, which has no value before. Returns the new value. */
export async function incrementCounter(tpm: Tpm, handle: number): Promise<bigint> {
  const index = await requireCounter(tpm, handle);
  await execute(tpm, { code: CC.nvIncrement, handles: [index, index], authorizations: [EMPTY_PASSWORD] });
  return readCounter(tpm, handle);
}

/** @throws TpmError TPM_REFUSED with RC.handle when there is none, RC.nvUninitialized before the first increment */
export async function readCounter(tpm: Tpm, handle: number): Promise<bigint> {
  const index = await requireCounter(tpm, handle);
  return readWire(await readPart(tpm, index, { at: 0, length: COUNTER_BYTES })).u64();
}

/** An index of another kind under the same number could be set to anything. */
async function requireCounter(tpm: Tpm, handle: number): Promise<NvIndex> {
  const index = await findIndex(tpm, handle);
  if (index === undefined)
    throw new TpmError('TPM_REFUSED', { fields: { rc: `0x${RC.handle.toString(16)}`, nv: handle } });
  if ((index.attributes & ~NV.written) !== COUNTER)
    throw new TpmError('TPM_RESPONSE_INVALID', { fields: { nv: handle } });
  return index;
}

/** Removes an index. */
export async function undefineNv(tpm: Tpm, handle: number): Promise<void> {
  const index = await findIndex(tpm, handle);
  if (index === undefined) return;
  const handles = [toHandleEntity(HANDLE.owner), index];
  await execute(tpm, { code: CC.undefineSpace, handles, authorizations: [EMPTY_PASSWORD] });
}
