/** The recipients of a model: their annexes in this home, and the names that never leave it. */
import { join } from 'node:path';
import { z } from 'zod';
import { findHexBytes, toHex } from '../../core/bytes.ts';
import { ModelwardError, SourceError, WatermarkError } from '../../core/errors.ts';
import { type Claim } from '../../watermark/claim.ts';
import { isNamed, type RecipientBody, toRecipientBody, toRegister } from '../../watermark/recipient/index.ts';
import { listAnnexPaths, readAnnex, type StoredAnnex } from '../annexes.ts';
import { listClaims, type StoredClaim } from '../claims.ts';
import type { Services } from '../services.ts';
import { writeBytes } from '../write-bytes.ts';

export interface RegisterEntry {
  readonly body: RecipientBody;
  readonly stored: StoredAnnex;
  /** The claim that the entry hangs on. */
  readonly claim: StoredClaim;
  /** What the recipient was called; null where this home does not know. */
  readonly id: string | null;
  /** Salt of the name, when it is known. */
  readonly salt: Uint8Array | null;
  /** True when its number stands for somebody else, too: then nobody is named by it. */
  readonly isAmbiguous: boolean;
}

/** Why a part of a register cannot be read. */
export interface RegisterFault {
  readonly error: ModelwardError;
  /** The annex that is at fault; null when all of a claim's cannot be listed. */
  readonly annex: string | null;
}

export interface RegisterReading {
  readonly entries: readonly RegisterEntry[];
  readonly faults: readonly RegisterFault[];
}

type Home = Pick<Services, 'storage' | 'home'>;

/** True when both claims hang on one seed and one original: then they share one register. */
export function hasSameRegister(a: Claim, b: Claim): boolean {
  const [one, other] = [a.commitment.preimage, b.commitment.preimage];
  return (
    one.originalDigest === other.originalDigest &&
    one.ownerId === other.ownerId &&
    one.seeds.recipient === other.seeds.recipient
  );
}

/**
 * Every recipient of the original that `claim` is about, by number, whichever claim of this home the entry hangs on.
 * @throws SignError | WatermarkError for annexes that were tampered with; RECIPIENT_REGISTER_MALFORMED
 */
export function readRegister(
  services: Home,
  claim: Claim,
  among: readonly StoredClaim[] = listClaims(services),
): readonly RegisterEntry[] {
  const { entries, faults } = readWhatCanBe(services, claim, among);
  if (faults.length > 0) throw faults[0].error;
  return entries;
}

/** As `readRegister`, with what is at fault beside what can be read. */
export function readWhatCanBe(services: Home, claim: Claim, among: readonly StoredClaim[]): RegisterReading {
  const faults: RegisterFault[] = [];
  const attempt = <T>(annex: string | null, act: () => T[]): T[] => {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof ModelwardError)) throw error;
      faults.push({ error, annex });
      return [];
    }
  };
  const found = among
    .filter((stored) => hasSameRegister(stored.claim, claim))
    .flatMap((stored) =>
      attempt(null, () => listAnnexPaths(services, stored.claim, 'recipient')).flatMap((path) =>
        attempt(path, () => [readEntry(services, stored, path)]),
      ),
    );
  const { entries, ambiguous } = toRegister(found);
  return { entries: entries.map((entry) => ({ ...entry, isAmbiguous: ambiguous.has(entry.body.number) })), faults };
}

function readEntry(services: Home, claim: StoredClaim, path: string): Omit<RegisterEntry, 'isAmbiguous'> {
  const stored = readAnnex(services, { path, claim: claim.claim, type: 'recipient' });
  const body = toRecipientBody(stored.annex, claim.claim.topology);
  const known = findName(services, body);
  return { body, stored, claim, id: known?.id ?? null, salt: known?.salt ?? null };
}

const nameSchema = z.strictObject({
  v: z.literal(1),
  id: z.string().min(1).max(1000),
  salt: z.string().regex(/^[0-9a-f]{32}$/),
});

/** Where the home keeps the ID behind a salted name. */
export function toNamePath({ home }: Pick<Home, 'home'>, commitment: string): string {
  return join(home.annexesFolder, `${commitment.slice(0, 24)}.recipient-name.json`);
}

/** Keeps an ID and its salt beside the annexes, for the user alone; durable. @throws SourceError WRITE_FAILED */
export function storeName(
  services: Home,
  { name, id, salt }: { readonly name: string; readonly id: string; readonly salt: Uint8Array },
): void {
  const bytes = Buffer.from(`${JSON.stringify({ v: 1, id, salt: toHex(salt) })}\n`);
  writeBytes(services.storage, { path: toNamePath(services, name), mode: 0o600, bytes });
}

/** Undefined when the file is missing; one that does not fit its commitment is an error: it would name the wrong one. */
function findName(services: Home, body: RecipientBody): { readonly id: string; readonly salt: Uint8Array } | undefined {
  const bytes = readIfThere(services, toNamePath(services, body.name));
  if (bytes === undefined) return undefined;
  const kept = parseName(bytes);
  if (kept === undefined || !isNamed(body, kept.salt, kept.id)) {
    throw new WatermarkError('RECIPIENT_REGISTER_MALFORMED', {
      message: 'The name kept for a recipient is not the one that was committed to.',
      fields: { number: body.number },
    });
  }
  return kept;
}

/** Bytes of a name file: an ID, its salt, and what JSON puts around them. */
const NAME_BYTES_MAX = 8192;

/** An ID and its salt as `storeName` keeps them; undefined when the file is another one. */
export function parseName(bytes: Uint8Array): { readonly id: string; readonly salt: Uint8Array } | undefined {
  if (bytes.length > NAME_BYTES_MAX) return undefined;
  const parsed = nameSchema.safeParse(findJson(bytes)).data;
  const salt = findHexBytes(parsed?.salt ?? '');
  return parsed === undefined || salt === undefined ? undefined : { id: parsed.id, salt };
}

function readIfThere({ storage }: Home, path: string): Uint8Array | undefined {
  try {
    return storage.read(path);
  } catch (error) {
    if (error instanceof SourceError && error.code === 'SOURCE_NOT_FOUND') return undefined;
    throw error;
  }
}

function findJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
