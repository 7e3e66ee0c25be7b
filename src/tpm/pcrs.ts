/** Platform configuration registers: what was started on this machine, as SHA-256 digests, and policies over them. */
import { createHash } from 'node:crypto';
import { concatBytes } from '../core/bytes.ts';
import { TpmError } from '../core/errors.ts';
import { TPM_LIMITS } from '../core/limits/tpm.ts';
import { ALG, CC } from './codes.ts';
import { execute, type Tpm, toHandleEntity } from './command.ts';
import type { Session } from './session.ts';
import { sized, u16, u32, u8 } from './wire.ts';

const SELECT_BYTES = 3;
const DIGEST_BYTES = 32;

/** A selection of the SHA-256 bank (TPML_PCR_SELECTION). @param pcrs ascending, 0 to 23 */
export function toSelection(pcrs: readonly number[]): Uint8Array {
  const select = new Uint8Array(SELECT_BYTES);
  for (const pcr of pcrs) {
    if (!Number.isInteger(pcr) || pcr < 0 || pcr >= TPM_LIMITS.pcrsMax) throw new TypeError('a PCR is 0 to 23');
    select[pcr >> 3] |= 1 << (pcr & 7);
  }
  return concatBytes(u32(1), u16(ALG.sha256), u8(SELECT_BYTES), select);
}

/** The values of PCRs, 32 bytes each, in the order given (ascending). @throws TpmError as `execute` */
export async function readPcrs(tpm: Tpm, pcrs: readonly number[]): Promise<Uint8Array[]> {
  const values: Uint8Array[] = [];
  let counter: number | undefined;
  // A TPM answers as many as fit, eight at most, and leaves the others out.
  while (values.length < pcrs.length) {
    const parameters = toSelection(pcrs.slice(values.length));
    const reader = (await execute(tpm, { code: CC.pcrRead, parameters })).parameters;
    const updates = reader.u32();
    // What was extended between two reads would give a mixture that never was.
    if (counter !== undefined && counter !== updates)
      throw new TpmError('TPM_UNAVAILABLE', { fields: { pcrs: 'changing' } });
    counter = updates;
    for (let left = reader.u32(); left > 0; left--) {
      reader.u16();
      reader.bytes(reader.u8());
    }
    const count = reader.u32();
    if (count === 0 || count > pcrs.length - values.length) throw new TpmError('TPM_RESPONSE_INVALID');
    for (let at = 0; at < count; at++) values.push(toDigest(reader.sized()));
    reader.end();
  }
  return values;
}

function toDigest(bytes: Uint8Array): Uint8Array {
  if (bytes.length !== DIGEST_BYTES) throw new TpmError('TPM_RESPONSE_INVALID');
  return bytes.slice();
}

/** One digest over the values, as quotes and policies use it. */
export function toPcrDigest(values: readonly Uint8Array[]): Uint8Array {
  return createHash('sha256')
    .update(concatBytes(...values))
    .digest();
}

/** The policy that only these PCR values meet: 32 bytes (Part 3, TPM2_PolicyPCR). */
export function toPcrPolicy(pcrs: readonly number[], pcrDigest: Uint8Array): Uint8Array {
  const step = concatBytes(new Uint8Array(DIGEST_BYTES), u32(CC.policyPcr), toSelection(pcrs), pcrDigest);
  return createHash('sha256').update(step).digest();
}

/** Lets a policy session take in the PCRs as they are now. */
export async function meetPcrPolicy(tpm: Tpm, session: Session, pcrs: readonly number[]): Promise<void> {
  const parameters = concatBytes(sized(), toSelection(pcrs));
  await execute(tpm, { code: CC.policyPcr, handles: [toHandleEntity(session.handle)], parameters });
}
