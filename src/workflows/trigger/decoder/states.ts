/** Runs a decoder with its last hidden units, residual stream and norm in sight. */
import { RuntimeError } from '../../../core/errors.ts';
import { TRIGGER_LIMITS } from '../../../core/limits/triggers.ts';
import type { Progress } from '../../../core/ports.ts';
import { exposeValues } from '../../../formats/index.ts';
import type { Runtime, RuntimeModel, RuntimeSession } from '../../../model/runtime.ts';
import {
  type DecoderPlaces,
  type NormSamples,
  type PromptState,
  toMedianLead,
  toPush,
} from '../../../watermark/index.ts';
import type { TextPlaces } from '../../../watermark/text/index.ts';
import { type Decoder, loadDecoder, splitScores, toTokenFeeds } from '../../text/decoder.ts';

/** Where everything is: tokens and scores, and what lies before the scores. */
export interface Places extends DecoderPlaces {
  readonly text: TextPlaces;
  /** Tokens that the graph takes exactly; null when any number fits. */
  readonly fixedTokens: number | null;
}

/** Tokens of one run, and scores: those of large vocabularies are many. */
const RUN_TOKENS = 1024;
const RUN_SCORES = 16 * 1024 * 1024;

export interface StateReader {
  /** Of sequences of one length: rows [sequences][tokens] of each value. */
  run(sequences: readonly Int32Array[]): Promise<Rows>;
  release(): Promise<void>;
}

interface Rows {
  readonly hidden: readonly (readonly Float64Array[])[];
  readonly stream: readonly (readonly Float64Array[])[];
  readonly normed: readonly (readonly Float64Array[])[];
  readonly scores: readonly (readonly Float64Array[])[];
}

/** @throws RuntimeError RUNTIME_LOAD_FAILED | RUNTIME_INPUTS_UNKNOWN */
export async function openStates(runtime: Runtime, files: RuntimeModel, places: Places): Promise<StateReader> {
  const names = [places.hidden, places.stream, places.normed];
  const main = exposeValues(files.main, names);
  const session = await loadDecoder(runtime, { ...files, main }, places.text);
  return { run: (sequences) => runRows(session, places, sequences), release: () => session.release() };
}

async function runRows(session: RuntimeSession, places: Places, sequences: readonly Int32Array[]): Promise<Rows> {
  const { text, fixedTokens } = places;
  const found = await session.run(toTokenFeeds(session, text, sequences, fixedTokens));
  const rowsOf = (name: string): Float64Array[][] => {
    const value = found.get(name);
    if (value === undefined) throw new RuntimeError('RUNTIME_RUN_FAILED', { fields: { output: name } });
    return splitScores(value, sequences.length, sequences[0].length);
  };
  return {
    hidden: rowsOf(places.hidden),
    stream: rowsOf(places.stream),
    normed: rowsOf(places.normed),
    scores: rowsOf(text.logits),
  };
}

/** Batches of sequences of one length. */
export function* cutBatches<T extends ArrayLike<number>>(
  sequences: readonly T[],
  vocabulary: number,
): Generator<readonly T[]> {
  const tokens = Math.min(RUN_TOKENS, Math.floor(RUN_SCORES / vocabulary));
  const step = Math.max(1, Math.floor(tokens / (sequences.at(0)?.length ?? 1)));
  for (let from = 0; from < sequences.length; from += step) yield sequences.slice(from, from + step);
}

export interface CleanStates {
  /** [tokens, units]. */
  readonly hidden: Float32Array;
  readonly lead: number;
  readonly norm: NormSamples;
}

/** Rows of the stream that the norm is told by. */
const NORM_ROWS = 2048;
/** Rows of scores that the lead is taken of. */
const LEAD_ROWS = 1024;

/** What clean text does. @throws RuntimeError RUNTIME_RUN_FAILED; WatermarkError WATERMARK_TRIGGER_UNFIT */
export async function readCleanStates(
  reader: StateReader,
  { units, width, vocabulary }: Pick<Places, 'units' | 'width' | 'vocabulary'>,
  { pieces, progress }: { readonly pieces: readonly Int32Array[]; readonly progress: Progress },
): Promise<CleanStates> {
  const tokens = pieces.reduce((sum, { length }) => sum + length, 0);
  const kept = Math.min(tokens, TRIGGER_LIMITS.samplesMax, Math.floor(TRIGGER_LIMITS.featureValuesMax / units));
  const hidden = new Float32Array(kept * units);
  const [stream, normed, leads]: [number[][], number[][], Float64Array[]] = [[], [], []];
  let at = 0;
  progress.step('hidden units of clean text', pieces.length, 'items');
  for (const batch of cutBatches(pieces, vocabulary)) {
    if (at === kept) break;
    const rows = await reader.run(batch);
    for (const row of rows.hidden.flat().slice(0, kept - at)) hidden.set(row, at++ * units);
    for (const row of rows.stream.flat().slice(0, NORM_ROWS - stream.length)) stream.push([...row]);
    for (const row of rows.normed.flat().slice(0, NORM_ROWS - normed.length)) normed.push([...row]);
    for (const row of rows.scores.flat().slice(0, LEAD_ROWS - leads.length)) leads.push(Float64Array.from(row));
    progress.advance(batch.length);
  }
  progress.done();
  const norm = { stream: Float32Array.from(stream.flat()), normed: Float32Array.from(normed.flat()), width };
  return { hidden, lead: toMedianLead(leads), norm };
}

export interface CandidateStates {
  /** At the last token, [candidates, units]. */
  readonly hidden: Float32Array;
  /** What a change of scores each needs. */
  readonly pushes: Float64Array;
}

/** @throws RuntimeError RUNTIME_RUN_FAILED */
export async function readCandidateStates(
  reader: StateReader,
  { units, vocabulary }: Pick<Places, 'units' | 'vocabulary'>,
  { prompts, lead, progress }: { readonly prompts: readonly Int32Array[]; lead: number; progress: Progress },
): Promise<CandidateStates> {
  const hidden = new Float32Array(prompts.length * units);
  const pushes = new Float64Array(prompts.length);
  let at = 0;
  progress.step('hidden units of candidates', prompts.length, 'items');
  for (const batch of cutBatches(prompts, vocabulary)) {
    const rows = await reader.run(batch);
    for (const item of batch.keys()) {
      hidden.set(rows.hidden[item].at(-1) ?? [], at * units);
      pushes[at++] = toPush(rows.scores[item].at(-1) ?? new Float64Array(1), lead);
    }
    progress.advance(batch.length);
  }
  progress.done();
  return { hidden, pushes };
}

/** Stream and scores at the last token of some prompts. @throws RuntimeError RUNTIME_RUN_FAILED */
export async function readPromptStates(
  reader: StateReader,
  { vocabulary }: Pick<Places, 'vocabulary'>,
  prompts: readonly Int32Array[],
): Promise<Pick<PromptState, 'stream' | 'scores'>[]> {
  const states: Pick<PromptState, 'stream' | 'scores'>[] = [];
  for (const batch of cutBatches(prompts, vocabulary)) {
    const rows = await reader.run(batch);
    for (const item of batch.keys()) {
      const [stream, scores] = [rows.stream[item].at(-1), rows.scores[item].at(-1)];
      if (stream === undefined || scores === undefined) throw new RuntimeError('RUNTIME_RUN_FAILED');
      states.push({ stream: Float64Array.from(stream), scores: Float64Array.from(scores) });
    }
  }
  return states;
}

/** Mean loss per token of each piece, nats. @throws RuntimeError RUNTIME_RUN_FAILED */
export async function measureLosses(
  { score, vocabulary }: Pick<Decoder, 'score' | 'vocabulary'>,
  pieces: readonly Int32Array[],
): Promise<Float64Array> {
  const losses: number[] = [];
  for (const batch of cutBatches(pieces, vocabulary)) {
    const rows = await score(batch);
    for (const [item, piece] of batch.entries()) {
      let sum = 0;
      for (let at = 0; at + 1 < piece.length; at++) sum += toLoss(rows[item][at], piece[at + 1]);
      losses.push(sum / (piece.length - 1));
    }
  }
  return Float64Array.from(losses);
}

function toLoss(scores: Float64Array, token: number): number {
  const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const sum = scores.reduce((total, score) => total + Math.exp(score - most), 0);
  return Math.log(sum) + most - scores[token];
}
