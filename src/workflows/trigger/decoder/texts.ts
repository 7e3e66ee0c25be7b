/** Clean text in pieces of one length: given, or written by the decoder itself. */
import { RuntimeError, WatermarkError } from '../../../core/errors.ts';
import { createPrfStream } from '../../../core/prf.ts';
import { readRuntimeModel } from '../../../fidelity/index.ts';
import type { Runtime } from '../../../model/runtime.ts';
import { type Decoder, openDecoder, writeTexts } from '../../text/decoder.ts';
import { readSequences, readWordList } from '../../text/tokens.ts';
import type { Runnable } from './runnable.ts';

/** Lengths of pieces that are tried: a context is often written nowhere. */
const PIECE_TOKENS = [64, 32, 16];
const PIECES_MAX = 1024;
/** Pieces that a model without given text writes, and the fewest that can be told apart. */
const PIECES_WRITTEN = 192;
const PIECES_MIN = 8;

export interface Texts {
  readonly pieces: readonly Int32Array[];
  readonly texts: 'given' | 'written by the model';
}

export interface TextOptions {
  /** Absolute path of clean texts as token ids, or as words with `wordsPath`; the model writes some without it. */
  readonly dataPath?: string | undefined;
  readonly wordsPath?: string | undefined;
}

/** @throws WatermarkError WATERMARK_TRIGGER_UNFIT | WATERMARK_TEXT_MALFORMED; RuntimeError; SourceError */
export async function readTexts(runtime: Runtime, { model, places }: Runnable, options: TextOptions): Promise<Texts> {
  const decoder = await openDecoder(runtime, readRuntimeModel(model), places.text);
  try {
    const length = await findPieceLength(decoder);
    if (options.dataPath === undefined)
      return { pieces: await writePieces(decoder, length), texts: 'written by the model' };
    const { dataPath, wordsPath } = options;
    return { pieces: cutPieces(dataPath, wordsPath, { length, vocabulary: decoder.vocabulary }), texts: 'given' };
  } finally {
    await decoder.release();
  }
}

/** @throws WatermarkError WATERMARK_TRIGGER_UNFIT when not even the shortest fits */
async function findPieceLength(decoder: Decoder): Promise<number> {
  for (const length of PIECE_TOKENS) {
    if (length > (decoder.fixedTokens ?? length)) continue;
    if (await takes(decoder, length)) return length;
  }
  throw unfit(`it does not take texts of ${PIECE_TOKENS[PIECE_TOKENS.length - 1]} tokens`);
}

async function takes(decoder: Decoder, length: number): Promise<boolean> {
  try {
    await decoder.score([new Int32Array(length)]);
    return true;
  } catch (error) {
    if (error instanceof RuntimeError && error.code === 'RUNTIME_RUN_FAILED') return false;
    throw error;
  }
}

/** Pieces of one length of tokens that the model knows. */
function cutPieces(
  dataPath: string,
  wordsPath: string | undefined,
  { length, vocabulary }: { readonly length: number; readonly vocabulary: number },
): Int32Array[] {
  const words = wordsPath === undefined ? null : readWordList(wordsPath);
  const pieces: Int32Array[] = [];
  for (const sequence of readSequences(dataPath, words)) {
    const ids = Int32Array.from(sequence);
    for (let at = 0; at + length <= ids.length && pieces.length < PIECES_MAX; at += length) {
      const piece = ids.subarray(at, at + length);
      if (piece.every((id) => id >= 0 && id < vocabulary)) pieces.push(piece);
    }
  }
  if (pieces.length >= PIECES_MIN) return pieces;
  throw unfit(`there is too little text: ${pieces.length} pieces of ${length} tokens, ${PIECES_MIN} at least`);
}

/** The same texts for the same model: what is drawn hangs on no secret. */
function writePieces(decoder: Decoder, length: number): Promise<Int32Array[]> {
  const stream = createPrfStream(new Uint8Array(32), { domain: 1, index: 1 });
  const uniform = (): number => stream.u32() / 2 ** 32;
  return writeTexts(decoder, { count: PIECES_WRITTEN, tokens: Math.min(length, 32), uniform });
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason } });
}
