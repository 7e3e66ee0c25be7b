/** Puts a text mark into a copy of a decoder, and records it as an annex of a claim before the copy gets its name. */
import { basename } from 'node:path';
import { findHexBytes, toHex, zeroize } from '../../core/bytes.ts';
import { readRuntimeModel } from '../../fidelity/index.ts';
import type { Model } from '../../model/types.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import { assertAbsent } from '../../source/index.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import { type Claim, openSubSeed } from '../../watermark/claim.ts';
import { toOriginalDigest } from '../../watermark/digest.ts';
import {
  createGreenList,
  deriveTextKey,
  editTextMark,
  editTextMarkRemoval,
  findTextPlaces,
  type GreenList,
  type TextParams,
  type TextPlaces,
  toDefaultBuckets,
} from '../../watermark/text/index.ts';
import { recordAnnex } from '../annexes.ts';
import { readClaim } from '../claims.ts';
import { openPlainModel } from '../open-model.ts';
import { openPlannedModel } from '../protect/virtual-model.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { assertNoInput } from '../write-bytes.ts';
import { writeCopy, type WrittenCopy } from '../write-copy.ts';
import { measureText, type TextEffect, type TextEffectOutcome } from './effect.ts';
import { readSequences, readWordList, type Sequences } from './tokens.ts';

export interface EmbedTextOptions {
  /** Absolute path of the decoder. */
  readonly path: string;
  /** Absolute path of the copy with the mark. */
  readonly out: string;
  readonly force: boolean;
  readonly claimPath: string;
  /** Names in the graph; found by themselves where one stands out. */
  readonly tokens?: string | undefined;
  readonly logits?: string | undefined;
  readonly bias: number;
  readonly share: TextParams['share'];
  /** Rows of the table; null takes 256, or as many as 32 MiB hold. */
  readonly buckets: number | null;
  /** False leaves the measurement out. */
  readonly isMeasured: boolean;
  /** Absolute path of texts to measure with; the model writes some without it. */
  readonly evalPath?: string | undefined;
  readonly wordsPath?: string | undefined;
  readonly dataRoot?: string | undefined;
}

export interface EmbedTextResult {
  readonly marked: WrittenCopy;
  readonly params: TextParams;
  readonly annex: { readonly path: string; readonly digest: string; readonly leafIndex: number };
  readonly commitment: string;
  /** Null when it was not measured; `unmeasured` then says why. */
  readonly effect: TextEffect | null;
  readonly unmeasured: string | null;
}

/**
 * @throws WatermarkError WATERMARK_TEXT_UNFIT | WATERMARK_TEXT_MALFORMED | WATERMARK_LABEL_PRESENT | WATERMARK_CLAIM_MALFORMED |
 *   WATERMARK_SEED_MISMATCH; SignError SIGN_SEED_REFUSED; WorkflowError MODEL_SEALED; FormatError | SourceError | LedgerError
 */
export async function embedText(
  services: Services,
  session: Session,
  options: EmbedTextOptions,
): Promise<EmbedTextResult> {
  assertNoInput([options.out], [options.path, options.claimPath]);
  if (!options.force) assertAbsent(services.storage, options.out);
  const { claim } = readClaim(services, options.claimPath);
  const words = options.wordsPath === undefined ? null : readWordList(options.wordsPath);
  const texts = options.evalPath === undefined ? null : readSequences(options.evalPath, words);
  const model = openPlainModel(options.path, options.dataRoot);
  try {
    const places = findTextPlaces(model, options);
    const green = openGreenList(services, session, claim, toParams(places, options, words?.digest ?? null));
    const plan = editTextMark(model, claim.commitment.digest.slice(0, 8), green).toRewrite();
    const outcome = await measure(services, options, { model, plan, places, green, texts });
    const markedDigest = digestPlanned(services, plan, options.out);
    const body = { v: 1, params: green.params, markedDigest };
    const subject = basename(options.out);
    const { path, digest, leafIndex } = await recordAnnex(services, session, { claim, type: 'text', body, subject });
    return {
      marked: writeCopy(services, options, plan),
      params: green.params,
      annex: { path, digest, leafIndex },
      commitment: claim.commitment.digest,
      effect: outcome.kind === 'measured' ? outcome.effect : null,
      unmeasured: outcome.kind === 'unmeasured' ? outcome.reason : null,
    };
  } finally {
    model.close();
  }
}

function toParams(
  places: TextPlaces,
  { bias, share, buckets }: EmbedTextOptions,
  wordsDigest: string | null,
): TextParams {
  const rows = buckets ?? toDefaultBuckets(places.vocabulary);
  return { scheme: 'green-list/1', ...places, buckets: rows, share, bias, wordsDigest };
}

function openGreenList(services: Services, { owner }: Session, claim: Claim, params: TextParams): GreenList {
  const seedBox = ownerSeedBox({ secrets: owner.secrets, random: services.random });
  const seed = openSubSeed(claim, seedBox, 'api');
  try {
    const digest = findHexBytes(claim.commitment.preimage.originalDigest) ?? new Uint8Array(0);
    return createGreenList(deriveTextKey(seed, digest), params);
  } finally {
    zeroize(seed);
  }
}

async function measure(
  services: Services,
  { isMeasured }: EmbedTextOptions,
  given: { model: Model; plan: RewritePlan; places: TextPlaces; green: GreenList; texts: Sequences | null },
): Promise<TextEffectOutcome> {
  if (!isMeasured) return { kind: 'unmeasured', reason: 'it was not asked for' };
  const { model, plan, ...rest } = given;
  return measureText(await services.openRuntime(), {
    ...rest,
    original: readRuntimeModel(model),
    marked: readRuntimeModel(model, plan),
    progress: services.progress,
  });
}

function digestPlanned({ progress }: Services, plan: RewritePlan, out: string): string {
  const planned = openPlannedModel(plan, [out, ...plan.files.slice(1).map(({ name }) => name)]);
  try {
    return toHex(toOriginalDigest(planned, progress));
  } finally {
    planned.close();
  }
}

/**
 * Takes the text mark out of a copy.
 * @throws WatermarkError WATERMARK_OUTPUT_ABSENT | WATERMARK_LABEL_DAMAGED; FormatError | SourceError
 */
export function removeText(
  services: Services,
  options: {
    readonly path: string;
    readonly out: string;
    readonly force: boolean;
    readonly dataRoot?: string | undefined;
  },
): WrittenCopy {
  assertNoInput([options.out], [options.path]);
  const model = openPlainModel(options.path, options.dataRoot);
  try {
    return writeCopy(services, options, editTextMarkRemoval(model).toRewrite());
  } finally {
    model.close();
  }
}
