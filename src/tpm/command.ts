/** One command to a TPM and its answer: framing, authorizations, response codes (Part 1, 18; Part 3). */
import { createHash } from 'node:crypto';
import { concatBytes, zeroize } from '../core/bytes.ts';
import { TpmError } from '../core/errors.ts';
import { TPM_LIMITS } from '../core/limits/tpm.ts';
import type { Pause, Random } from '../core/ports.ts';
import { type CommandCode, RC, TAG, toBaseRc } from './codes.ts';
import type { TpmTransport } from './ports.ts';
import {
  acceptAnswer,
  type Authorization,
  decryptParameter,
  encodeAuthorization,
  encryptParameter,
  NONCE_BYTES,
} from './session.ts';
import { readWire, sized, u16, u32, type WireReader } from './wire.ts';

/** A TPM, and what talking to it needs. */
export interface Tpm {
  readonly transport: TpmTransport;
  readonly random: Random;
  readonly pause: Pause;
}

/** Something in the TPM: its handle, and the name that authorizations are bound to. */
export interface TpmEntity {
  readonly handle: number;
  readonly name: Uint8Array;
}

export interface TpmCommand {
  readonly code: CommandCode;
  readonly handles?: readonly TpmEntity[];
  readonly authorizations?: readonly Authorization[];
  /** The first one, a TPM2B, may be secret: `secret` is its content, which is wiped. */
  readonly secret?: Uint8Array;
  readonly parameters?: Uint8Array;
  readonly answersHandle?: boolean;
}

export interface TpmAnswer {
  /** 0 where the command answers none. */
  readonly handle: number;
  readonly parameters: WireReader;
  /** The first parameter, where it was encrypted on its way: the caller wipes it. */
  readonly secret: Uint8Array;
}

const NOTHING = new Uint8Array();
/** The TPM is busy and asks for the same again. */
const AGAIN: readonly number[] = [RC.yielded, RC.testing, RC.retry];
/** Nothing is wrong with the command; the TPM cannot do it now. */
const NOT_NOW: readonly number[] = [RC.initialize, RC.nvRate, RC.objectMemory, RC.sessionMemory, RC.memory, ...AGAIN];

/** Permanent handles, PCRs and sessions are their own names. */
export function toHandleEntity(handle: number): TpmEntity {
  return { handle, name: u32(handle) };
}

/**
 * Sends a command. Secret parameters are encrypted by the first authorization's session.
 * @throws TpmError TPM_REFUSED with the response code as `rc`; TPM_UNAVAILABLE; TPM_RESPONSE_INVALID; TPM_RESPONSE_FORGED
 */
export async function execute(tpm: Tpm, command: TpmCommand): Promise<TpmAnswer> {
  const authorizations = command.authorizations ?? [];
  const nonces = authorizations.map(() => {
    const own = new Uint8Array(NONCE_BYTES);
    tpm.random.fill(own);
    return own;
  });
  const response = await transmit(tpm, encodeCommand(command, authorizations, nonces), command.code);
  return readAnswer(command, authorizations, { nonces, response });
}

function encodeCommand(command: TpmCommand, uses: readonly Authorization[], nonces: readonly Uint8Array[]): Uint8Array {
  const handles = command.handles ?? [];
  const parameters = concatBytes(encodeSecret(command, uses, nonces), command.parameters ?? NOTHING);
  const names = handles.map(({ name }) => name);
  const cpHash = sha256(u32(command.code), ...names, parameters);
  const said = uses.map((use, at) => encodeAuthorization(use, nonces[at], cpHash));
  const area = uses.length === 0 ? [] : [u32(said.reduce((sum, each) => sum + each.length, 0)), ...said];
  const body = concatBytes(...handles.map(({ handle }) => u32(handle)), ...area, parameters);
  const tag = uses.length === 0 ? TAG.noSessions : TAG.sessions;
  return concatBytes(u16(tag), u32(10 + body.length), u32(command.code), body);
}

function encodeSecret(
  { secret }: TpmCommand,
  uses: readonly Authorization[],
  nonces: readonly Uint8Array[],
): Uint8Array {
  if (secret === undefined) return NOTHING;
  const { session } = uses[0];
  if (session === null || session.key.length === 0) throw new TypeError('a secret parameter needs a salted session');
  try {
    return sized(encryptParameter(session, secret, nonces[0]));
  } finally {
    zeroize(secret);
  }
}

async function transmit(
  tpm: Tpm,
  bytes: Uint8Array,
  code: number,
): Promise<{ rc: number; tag: number; body: WireReader }> {
  for (let tries = 0; ; tries++) {
    const response = await tpm.transport.transmit(bytes);
    if (response.length > TPM_LIMITS.responseBytesMax) throw new TpmError('TPM_RESPONSE_INVALID');
    const body = readWire(response);
    const tag = body.u16();
    if (body.u32() !== response.length) throw new TpmError('TPM_RESPONSE_INVALID');
    const rc = body.u32();
    if (rc === RC.success) return { rc, tag, body };
    if (AGAIN.includes(rc) && tries < TPM_LIMITS.retriesMax) await tpm.pause(TPM_LIMITS.retryPauseMs);
    else throw toRefusal(rc, code);
  }
}

function toRefusal(rc: number, code: number): TpmError {
  const fields = { rc: `0x${rc.toString(16)}`, command: `0x${code.toString(16)}` };
  return new TpmError(NOT_NOW.includes(toBaseRc(rc)) ? 'TPM_UNAVAILABLE' : 'TPM_REFUSED', { fields });
}

/** True for a refusal with this response code. */
export function isRefusal(error: unknown, base: number): boolean {
  if (!(error instanceof TpmError) || error.code !== 'TPM_REFUSED') return false;
  return toBaseRc(Number(error.fields.rc)) === base;
}

function readAnswer(
  command: TpmCommand,
  uses: readonly Authorization[],
  got: { readonly nonces: readonly Uint8Array[]; readonly response: { rc: number; tag: number; body: WireReader } },
): TpmAnswer {
  const { tag, body } = got.response;
  if (tag !== (uses.length === 0 ? TAG.noSessions : TAG.sessions)) throw new TpmError('TPM_RESPONSE_INVALID');
  const handle = command.answersHandle === true ? body.u32() : 0;
  if (uses.length === 0) return { handle, parameters: readWire(body.rest()), secret: NOTHING };
  const parameters = body.bytes(body.u32());
  const rpHash = sha256(u32(RC.success), u32(command.code), parameters);
  const tpmNonces = uses.map((use, at) => {
    const answer = { nonceTpm: body.sized(), attributes: body.u8(), mac: body.sized() };
    if (use.session !== null) acceptAnswer(use.session, answer, { own: got.nonces[at], rpHash });
    return answer.nonceTpm;
  });
  body.end();
  const reader = readWire(parameters);
  const [{ session, isEncrypt }] = uses;
  if (session === null || isEncrypt !== true) return { handle, parameters: reader, secret: NOTHING };
  const secret = decryptParameter(session, reader.sized(), { tpm: tpmNonces[0], own: got.nonces[0] });
  return { handle, parameters: reader, secret };
}

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}
