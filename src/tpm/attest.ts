/** What a TPM signs about itself: PCRs (quote), keys that are in it (certify). */
import { concatBytes } from '../core/bytes.ts';
import { TpmError } from '../core/errors.ts';
import { toCoordinate } from './areas.ts';
import { type TpmClock, readClockInfo } from './clock.ts';
import { ALG, CC } from './codes.ts';
import { execute, type Tpm, type TpmEntity } from './command.ts';
import { toSelection } from './pcrs.ts';
import { EMPTY_PASSWORD } from './session.ts';
import { readWire, sized, u16, type WireReader } from './wire.ts';

const MAGIC = 0xff544347;
const KIND = { certify: 0x8017, quote: 0x8018 } as const;

/** A statement (TPMS_ATTEST) and its ECDSA P-256 signature over SHA-256, r and s of 32 bytes each. */
export interface SignedStatement {
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
}

/** PCRs as they are. @param options.nonce up to 32 bytes; comes back in the statement */
export async function quote(
  tpm: Tpm,
  signer: TpmEntity,
  options: { readonly nonce: Uint8Array; readonly pcrs: readonly number[] },
): Promise<SignedStatement> {
  const { parameters } = await execute(tpm, {
    code: CC.quote,
    handles: [signer],
    authorizations: [EMPTY_PASSWORD],
    parameters: concatBytes(sized(options.nonce), u16(ALG.null), toSelection(options.pcrs)),
  });
  return readSigned(parameters);
}

/** That `object` is in the same TPM as `signer`, by its name, which covers its attributes and policy. */
export async function certify(
  tpm: Tpm,
  signer: TpmEntity,
  options: { readonly nonce: Uint8Array; readonly object: TpmEntity },
): Promise<SignedStatement> {
  const { parameters } = await execute(tpm, {
    code: CC.certify,
    handles: [options.object, signer],
    authorizations: [EMPTY_PASSWORD, EMPTY_PASSWORD],
    parameters: concatBytes(sized(options.nonce), u16(ALG.null)),
  });
  return readSigned(parameters);
}

function readSigned(parameters: WireReader): SignedStatement {
  const statement = parameters.sized().slice();
  if (parameters.u16() !== ALG.ecdsa || parameters.u16() !== ALG.sha256) throw new TpmError('TPM_RESPONSE_INVALID');
  const signature = concatBytes(toCoordinate(parameters.sized()), toCoordinate(parameters.sized()));
  parameters.end();
  return { statement, signature };
}

/** What every statement says. */
interface StatementHead {
  /** What was given as nonce. */
  readonly nonce: Uint8Array;
  readonly clock: TpmClock;
}

export type Statement =
  | (StatementHead & { readonly kind: 'quote'; readonly selection: Uint8Array; readonly pcrDigest: Uint8Array })
  | (StatementHead & { readonly kind: 'certify'; readonly name: Uint8Array });

/**
 * Reads a statement; whether its signature holds is the caller's to check.
 * @throws TpmError TPM_RESPONSE_INVALID for other kinds, and for what no TPM made (the magic number)
 */
export function readStatement(bytes: Uint8Array): Statement {
  const reader = readWire(bytes);
  const magic = reader.u32();
  const type = reader.u16();
  reader.sized();
  const nonce = reader.sized().slice();
  const clock = readClockInfo(reader);
  reader.u64();
  const head = { nonce, clock };
  const statement = readBody(reader, type, head);
  reader.end();
  if (magic !== MAGIC) throw new TpmError('TPM_RESPONSE_INVALID');
  return statement;
}

function readBody(reader: WireReader, type: number, head: StatementHead): Statement {
  if (type === KIND.certify) {
    const name = reader.sized().slice();
    reader.sized();
    return { ...head, kind: 'certify', name };
  }
  if (type !== KIND.quote) throw new TpmError('TPM_RESPONSE_INVALID');
  const banks = reader.bytes(4);
  if (banks[3] !== 1 || banks[0] + banks[1] + banks[2] !== 0) throw new TpmError('TPM_RESPONSE_INVALID');
  const bank = reader.bytes(3);
  const selection = concatBytes(banks, bank, reader.bytes(bank[2]));
  return { ...head, kind: 'quote', selection, pcrDigest: reader.sized().slice() };
}
