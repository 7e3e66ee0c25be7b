/** The annexes of a home: signed, recorded before what they belong to is released, listed, read again. */
import { join } from 'node:path';
import type { Json } from '../core/canonical-json.ts';
import { WatermarkError } from '../core/errors.ts';
import { WATERMARK_LIMITS } from '../core/limits/watermark.ts';
import type { LedgerReader } from '../ledger/index.ts';
import { ownerSigner } from '../sign/index.ts';
import { type Annex, type AnnexType, createAnnex, openAnnex, signAnnex, toAnnexDigest } from '../watermark/annex.ts';
import type { Claim } from '../watermark/claim.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';
import { writeBytes } from './write-bytes.ts';

export interface StoredAnnex {
  readonly path: string;
  readonly annex: Annex;
  /** As the ledger records it, hex. */
  readonly digest: string;
}

/** When the ledger of this home took an annex in, by its own clock. */
export interface AnnexRecord {
  readonly leafIndex: number;
  /** UTC, milliseconds. */
  readonly time: string;
}

/**
 * Signs an annex, stores it in the home and records it; the file is durable before the entry. The same annex again is
 * recorded again and stored once.
 * @throws WatermarkError WATERMARK_ANNEX_TOO_LARGE; SourceError WRITE_FAILED; LedgerError
 */
export async function recordAnnex(
  services: Services,
  session: Session,
  given: { readonly claim: Claim; readonly type: AnnexType; readonly body: Json; readonly subject: string },
): Promise<StoredAnnex & { readonly leafIndex: number }> {
  const { claim, type, body, subject } = given;
  const annex = createAnnex(claim, { type, body });
  const digest = toAnnexDigest(annex);
  const path = join(services.home.annexesFolder, `${toPrefix(claim, type)}${digest.slice(0, 12)}${SUFFIX}`);
  const bytes = await signAnnex(annex, ownerSigner(session.owner));
  writeBytes(services.storage, { path, mode: 0o600, bytes });
  const { recorder } = session;
  const digests = { annex: digest, commitment: annex.commitment };
  const receipt = await recorder.record([
    { type: 'annex', actor: recorder.actor, subject, digests, detail: { kind: type } },
  ]);
  return { path, annex, digest, leafIndex: receipt.firstIndex };
}

const SUFFIX = '.annex.json';

function toPrefix({ commitment }: Pick<Claim, 'commitment'>, type: AnnexType): string {
  return `${commitment.digest.slice(0, 12)}.${type}.`;
}

/**
 * The annexes of one type that this home has for a claim, in the order of their names.
 * @throws as `readAnnex`; WatermarkError WATERMARK_ANNEX_TOO_LARGE when there are more than any home has
 */
export function listAnnexes(services: Pick<Services, 'storage' | 'home'>, claim: Claim, type: AnnexType) {
  return listAnnexPaths(services, claim, type).map((path) => readAnnex(services, { path, claim, type }));
}

/**
 * Where the annexes of one type lie that this home has for a claim, in the order of their names.
 * @throws WatermarkError WATERMARK_ANNEX_TOO_LARGE when there are more than any home has
 */
export function listAnnexPaths(
  { storage, home }: Pick<Services, 'storage' | 'home'>,
  claim: Claim,
  type: AnnexType,
): string[] {
  // A home of an earlier version has no such folder.
  if (!storage.exists(home.annexesFolder)) return [];
  const prefix = toPrefix(claim, type);
  const names = storage
    .list(home.annexesFolder)
    .filter((name) => name.startsWith(prefix) && name.endsWith(SUFFIX))
    .sort();
  if (names.length > WATERMARK_LIMITS.annexesMax) {
    throw new WatermarkError('WATERMARK_ANNEX_TOO_LARGE', {
      message: 'the home has more annexes than are looked through',
      fields: { annexes: names.length, annexesMax: WATERMARK_LIMITS.annexesMax },
    });
  }
  return names.map((name) => join(home.annexesFolder, name));
}

/**
 * An annex file that the owner of `claim` signed for it.
 * @throws SourceError SOURCE_NOT_FOUND; SignError SIGN_OTHER_SIGNER | SIGN_SIGNATURE_INVALID | SIGN_ENVELOPE_MALFORMED;
 *   WatermarkError WATERMARK_ANNEX_MALFORMED | WATERMARK_ANNEX_OF_ANOTHER_CLAIM | WATERMARK_ANNEX_TOO_LARGE
 */
export function readAnnex(
  { storage }: Pick<Services, 'storage'>,
  { path, claim, type }: { readonly path: string; readonly claim: Claim; readonly type: AnnexType },
): StoredAnnex {
  const annex = openAnnex(storage.read(path), claim, type);
  return { path, annex, digest: toAnnexDigest(annex) };
}

/** The first entry of a ledger for an annex; undefined when none was made: then nothing says that it was there before. */
export function findAnnexRecord(reader: LedgerReader, digest: string): AnnexRecord | undefined {
  for (const entry of reader.entries()) {
    if (entry.type === 'annex' && entry.digests.annex === digest) return { leafIndex: entry.seq, time: entry.ts };
  }
  return undefined;
}
