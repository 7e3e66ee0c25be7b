/** The recipients that this home has given copies to. */
import { WorkflowError } from '../../core/errors.ts';
import { findAnnexRecord } from '../annexes.ts';
import { listClaims, readClaim, type StoredClaim } from '../claims.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { hasSameRegister, readWhatCanBe, type RegisterEntry, type RegisterReading, toNamePath } from './register.ts';

export interface ListedRecipient {
  readonly number: number;
  /** Null where this home does not know it. */
  readonly id: string | null;
  /** Digest of the original that the register belongs to, hex. */
  readonly originalDigest: string;
  /** Digest of the copy that was given away, hex. */
  readonly releasedDigest: string;
  /** Digest of the commitment that the entry hangs on, hex. */
  readonly commitment: string;
  readonly codes: readonly ('order' | 'payload')[];
  /** Channels that lie in the recipient's order. */
  readonly channels: number;
  readonly annex: string;
  /** The file of the home that opens the salted name in the annex; null where this home does not have it. */
  readonly nameFile: string | null;
  /** When the ledger took it in, and where; null when it never did: then it proves nothing. */
  readonly recorded: { readonly leafIndex: number; readonly time: string } | null;
}

/** What is wrong with a register: an annex that cannot be read, or a number that stands for two copies. */
export interface ListedFault {
  readonly code: string;
  /** Null where the annex does not tell. */
  readonly number: number | null;
  /** Digest of the original that the register belongs to, hex. */
  readonly originalDigest: string;
  readonly annexes: readonly string[];
}

export interface RecipientList {
  readonly recipients: readonly ListedRecipient[];
  readonly faults: readonly ListedFault[];
}

export interface RecipientsOptions {
  /** Absolute path; every claim of the home without it. */
  readonly claimPath?: string | undefined;
}

/**
 * Every recipient that can be read, register by register, each by number, and what is at fault.
 * @param openSession the owner of the home; not called while there is no recipient
 */
export function listRecipients(
  services: Services,
  openSession: () => Session,
  options: RecipientsOptions,
): RecipientList {
  const home = listClaims(services);
  const claims = options.claimPath === undefined ? home : [readClaim(services, options.claimPath)];
  const firsts = claims.filter(
    ({ claim }, index) => claims.findIndex((other) => hasSameRegister(other.claim, claim)) === index,
  );
  const registers = firsts.map(({ claim }, index) => {
    const { originalDigest } = claim.commitment.preimage;
    return { originalDigest, ...readWhatCanBe(services, claim, withClaim(home, firsts[index])) };
  });
  return {
    recipients: registers.flatMap(({ entries }) => entries.map((entry) => toListed(services, openSession(), entry))),
    faults: registers.flatMap(({ originalDigest, ...reading }) =>
      toFaults(reading).map((fault) => ({ ...fault, originalDigest })),
    ),
  };
}

function toFaults({ entries, faults }: RegisterReading): Omit<ListedFault, 'originalDigest'>[] {
  const numbers = new Set(entries.filter(({ isAmbiguous }) => isAmbiguous).map(({ body }) => body.number));
  return [
    ...faults.map(({ error, annex }) => ({ code: error.code, number: null, annexes: annex === null ? [] : [annex] })),
    ...[...numbers].map((number) => ({
      ...{ code: 'RECIPIENT_NUMBER_TAKEN', number },
      annexes: entries.filter(({ body }) => body.number === number).map(({ stored }) => stored.path),
    })),
  ];
}

/** A claim that was named may be a copy of one in the home. */
function withClaim(home: readonly StoredClaim[], stored: StoredClaim): readonly StoredClaim[] {
  const isKnown = home.some(({ claim }) => claim.commitment.digest === stored.claim.commitment.digest);
  return isKnown ? home : [...home, stored];
}

function toListed(services: Services, session: Session, { body, id, stored, claim }: RegisterEntry): ListedRecipient {
  const codes = (['order', 'payload'] as const).filter((code) => body[code] !== null);
  const record = findAnnexRecord(session.recorder.reader(), stored.digest);
  return {
    number: body.number,
    id,
    originalDigest: claim.claim.commitment.preimage.originalDigest,
    releasedDigest: body.releasedDigest,
    commitment: claim.claim.commitment.digest,
    codes,
    channels: body.order?.spaces.reduce((sum, { channels }) => sum + channels, 0) ?? 0,
    annex: stored.path,
    nameFile: id === null ? null : toNamePath(services, body.name),
    recorded: record === undefined ? null : { leafIndex: record.leafIndex, time: record.time },
  };
}

/**
 * The recipients of one ID or number; one for each original that they were given.
 * @throws WorkflowError RECIPIENT_UNKNOWN; as `listRecipients`
 */
export function showRecipient(
  services: Services,
  openSession: () => Session,
  options: RecipientsOptions & { readonly who: string },
): ListedRecipient[] {
  const { recipients: listed } = listRecipients(services, openSession, options);
  const named = listed.filter(({ id }) => id === options.who);
  const found = named.length > 0 ? named : listed.filter(({ number }) => String(number) === options.who);
  if (found.length === 0) throw new WorkflowError('RECIPIENT_UNKNOWN', { fields: { recipients: listed.length } });
  return found;
}
