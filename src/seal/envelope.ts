/** The life of a key envelope: create, unwrap, add a recipient, rewrap (docs/spec/key-envelope.md section 4). */
import { findBase64Bytes, findHexBytes, isEqualConstantTime, toBase64, toHex, zeroize } from '../core/bytes.ts';
import { SealError } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import { authenticateEnvelope, isEnvelopeAuthentic, type KeyEnvelope, type Recipient } from './envelope-file.ts';
import { FLOE_DEK_BYTES } from './floe-params.ts';
import type { KeyContext, KeyProvider, KeyUnwrapper, KeyWrapper, WrappedKey } from './ports.ts';

/** The purpose that the keys of sealed weights are bound to. */
export const OPEN_PURPOSE = 'open';

/** What identifies a seal to its envelope; `SealedFile` and `SealInfo` both fit. */
export interface SealIdentity {
  readonly header: { readonly sealId: string; readonly model: { readonly name: string } };
  readonly dekCheck: Uint8Array;
}

export interface NewRecipient {
  readonly wrapper: KeyWrapper;
  readonly clock: Clock;
  /** Until when the recipient may be used; without it, for ever. */
  readonly expiresAtMs?: number;
}

/**
 * Makes the first envelope of a seal, with one recipient.
 * @throws SealError KEY_REFUSED | KEY_PROVIDER_UNAVAILABLE from the provider
 */
export async function createEnvelope(
  options: NewRecipient & { readonly seal: SealIdentity; readonly dek: Uint8Array },
): Promise<KeyEnvelope> {
  const { seal, dek } = options;
  const { sealId, model } = seal.header;
  const recipient = await wrapFor(options, dek, { sealId, model: model.name, purpose: OPEN_PURPOSE });
  const dekCheck = toHex(seal.dekCheck);
  return authenticateEnvelope({ v: 1, sealId, model: model.name, dekCheck, seq: 1, recipients: [recipient] }, dek);
}

export interface UnwrapOptions {
  readonly envelope: KeyEnvelope;
  /** Tried in order for every recipient. */
  readonly unwrappers: readonly KeyUnwrapper[];
  readonly clock: Clock;
  /** The sealed file that the key is wanted for; without it only the envelope itself is checked. */
  readonly seal?: SealIdentity;
}

export interface UnwrappedDek {
  /** 32 bytes in a buffer of their own; the caller wipes them in `finally`. */
  readonly dek: Uint8Array;
  /** The recipient that gave it, for the record. */
  readonly recipient: Recipient;
}

/**
 * Finds the data key: tries every recipient with every unwrapper, then verifies the envelope's MAC and, when a seal is
 * given, that the envelope was made for exactly this file.
 * @throws SealError ENVELOPE_MISMATCH before any provider is asked; KEY_NOT_FOUND when no key here is a recipient;
 *   KEY_EXPIRED; the provider's error when one fits but fails; ENVELOPE_AUTH_FAILED
 */
export async function unwrapDek(options: UnwrapOptions): Promise<UnwrappedDek> {
  const { envelope, seal } = options;
  if (seal !== undefined && !isEnvelopeOf(envelope, seal)) {
    throw new SealError('ENVELOPE_MISMATCH', { fields: { sealId: envelope.sealId } });
  }
  const found = await findDek(options);
  if (found.dek.length === FLOE_DEK_BYTES && isEnvelopeAuthentic(envelope, found.dek)) return found;
  zeroize(found.dek);
  throw new SealError('ENVELOPE_AUTH_FAILED', { fields: { sealId: envelope.sealId } });
}

/**
 * The envelope with one more recipient.
 * @throws SealError ENVELOPE_AUTH_FAILED when `dek` is not its key; the provider's errors
 */
export async function addRecipient(
  options: NewRecipient & { readonly envelope: KeyEnvelope; readonly dek: Uint8Array },
): Promise<KeyEnvelope> {
  const { envelope, dek } = options;
  assertAuthentic(envelope, dek);
  const { sealId, model, seq } = envelope;
  const recipient = await wrapFor(options, dek, { sealId, model, purpose: OPEN_PURPOSE });
  return withRecipients(envelope, dek, { seq: seq + 1, recipients: [...envelope.recipients, recipient] });
}

export interface RewrapOptions {
  readonly envelope: KeyEnvelope;
  readonly clock: Clock;
  /** Gives the key; its own rewrapping is used where it has one and the key stays with it. */
  readonly provider: KeyProvider;
  /** Wraps the key; `provider` without it. */
  readonly target?: KeyProvider;
  /** Which recipients are replaced. */
  readonly isOld: (recipient: Recipient) => boolean;
}

/**
 * Replaces recipients by new ones of the same key, at the same places; the sealed file is not touched. Each new recipient
 * is unwrapped, and must give the key that the envelope's MAC was made with. What a recipient's expiry was, it stays.
 * @throws SealError KEY_NOT_FOUND when no recipient is old, or `provider` does not know one; the provider's errors;
 *   ENVELOPE_AUTH_FAILED; KEY_REFUSED when a new recipient does not give the key back
 */
export async function rewrapEnvelope(options: RewrapOptions): Promise<KeyEnvelope> {
  const { envelope, provider, target = provider } = options;
  if (!envelope.recipients.some(options.isOld)) throw toNotFound(envelope, 0);
  const recipients: Recipient[] = [];
  let dek: Uint8Array | null = null;
  try {
    for (const old of envelope.recipients) {
      if (!options.isOld(old)) {
        recipients.push(old);
        continue;
      }
      const recipient = await moveRecipient(options, old);
      const check = await target.unwrapKey({ wrapped: toWrappedKey(recipient), context: recipient.ctx });
      if (check === null) throw toNotFound(envelope, 0);
      if (dek !== null) zeroize(dek);
      dek = check;
      if (!isEnvelopeAuthentic(envelope, check)) {
        throw new SealError('KEY_REFUSED', { message: 'The new wrapping does not give the same key back.' });
      }
      recipients.push(recipient);
    }
    return withRecipients(envelope, dek!, { seq: envelope.seq + 1, recipients });
  } finally {
    if (dek !== null) zeroize(dek);
  }
}

async function moveRecipient({ envelope, provider, target, clock }: RewrapOptions, old: Recipient): Promise<Recipient> {
  const expiry = old.expiresAt === undefined ? {} : { expiresAtMs: Date.parse(old.expiresAt) };
  const wrapped = toWrappedKey(old);
  if (target === undefined && provider.rewrapKey !== undefined) {
    return toRecipient(await provider.rewrapKey({ wrapped, context: old.ctx }), { clock, ...expiry }, old.ctx);
  }
  const dek = await provider.unwrapKey({ wrapped, context: old.ctx });
  if (dek === null) throw toNotFound(envelope, 0);
  try {
    // Before it is wrapped anew: a key that is not this envelope's must not get a recipient.
    assertAuthentic(envelope, dek);
    return await wrapFor({ wrapper: target ?? provider, clock, ...expiry }, dek, old.ctx);
  } finally {
    zeroize(dek);
  }
}

/** True when the envelope names this seal and its commitment to the key; constant time. */
function isEnvelopeOf(envelope: KeyEnvelope, seal: SealIdentity): boolean {
  const dekCheck = findHexBytes(envelope.dekCheck) ?? new Uint8Array();
  return isEqualConstantTime(dekCheck, seal.dekCheck) && envelope.sealId === seal.header.sealId;
}

function assertAuthentic(envelope: KeyEnvelope, dek: Uint8Array): void {
  if (!isEnvelopeAuthentic(envelope, dek)) {
    throw new SealError('ENVELOPE_AUTH_FAILED', { fields: { sealId: envelope.sealId } });
  }
}

function withRecipients(
  envelope: KeyEnvelope,
  dek: Uint8Array,
  change: Pick<KeyEnvelope, 'seq' | 'recipients'>,
): KeyEnvelope {
  const { v, sealId, model, dekCheck } = envelope;
  return authenticateEnvelope({ v, sealId, model, dekCheck, ...change }, dek);
}

async function wrapFor(to: NewRecipient, dek: Uint8Array, ctx: KeyContext): Promise<Recipient> {
  return toRecipient(await to.wrapper.wrapKey({ dek, context: ctx }), to, ctx);
}

function toRecipient(key: WrappedKey, to: Omit<NewRecipient, 'wrapper'>, ctx: KeyContext): Recipient {
  return {
    type: key.type,
    keyRef: key.keyRef,
    keyVersion: key.keyVersion,
    ctx: { ...ctx },
    wrapped: toBase64(key.wrapped),
    createdAt: new Date(to.clock.nowMs()).toISOString(),
    ...(to.expiresAtMs === undefined ? {} : { expiresAt: new Date(to.expiresAtMs).toISOString() }),
  };
}

function toWrappedKey({ type, keyRef, keyVersion, wrapped }: Recipient): WrappedKey {
  return { type, keyRef, keyVersion, wrapped: findBase64Bytes(wrapped) ?? new Uint8Array() };
}

async function findDek(options: UnwrapOptions): Promise<UnwrappedDek> {
  const { envelope, unwrappers, clock } = options;
  const now = new Date(clock.nowMs()).toISOString();
  let firstFailure: unknown;
  let expired = 0;
  for (const recipient of envelope.recipients) {
    if (recipient.expiresAt !== undefined && recipient.expiresAt <= now) {
      expired++;
      continue;
    }
    for (const unwrapper of unwrappers) {
      try {
        const dek = await unwrapper.unwrapKey({ wrapped: toWrappedKey(recipient), context: recipient.ctx });
        if (dek !== null) return { dek, recipient };
      } catch (error) {
        // Another recipient may still give the key: one revoked or unreachable provider must not lock everyone out.
        firstFailure ??= error;
      }
    }
  }
  if (firstFailure !== undefined) throw firstFailure as Error;
  throw toNotFound(envelope, expired);
}

function toNotFound({ sealId, recipients }: KeyEnvelope, expired: number): SealError {
  const fields = { sealId, recipients: recipients.map(toRecipientName), expired };
  return new SealError(expired === recipients.length ? 'KEY_EXPIRED' : 'KEY_NOT_FOUND', { fields });
}

function toRecipientName({ type, keyRef, keyVersion }: Recipient): string {
  return `${type}:${keyRef}@${keyVersion}`;
}
