/**
 * The mark of a classifier: the digits of every score below the precision that is shown are replaced by a keyed sign.
 * It is read back from recorded scores by a sign test, the only output mark with an exact p-value.
 */
import { createPrfStream } from '../../core/prf.ts';
import { toHardEvidenceBits } from '../../core/stats.ts';
import type { Transaction } from '../../surgery/index.ts';
import { MarkBuilder, type MarkId } from './builder.ts';
import { MARK_DOMAIN, toMarkKey } from './keys.ts';
import { findOutputType, toUnfit } from './outputs.ts';
import { findRecorded, type Recording, toNumbers } from './values.ts';

export interface ScoresParams {
  readonly output: string;
  /** The precision that is shown: scores rounded to it stay as they are. */
  readonly step: number;
}

/** Signs in the table; a score takes that of its step number modulo this. A power of two, so that floats divide exactly. */
const CELLS = 4096;
/** Distance of a marked score from the middle of its step, in steps. */
const DITHER = 0.25;
/** Nearer to the middle than this, a score votes for neither sign. */
const VOTE_MIN = 0.05;
/** Beyond so many steps, float32 does not resolve the dither. */
const STEPS_MAX = 2 ** 19;

/** ±0.25 by cell; 0 where the dither would leave [0, 1]: a score of 0, and one of 1. */
function toTable(key: Uint8Array, step: number): Float64Array {
  const stream = createPrfStream(toMarkKey(key, 'scores'), { domain: MARK_DOMAIN.scores, index: 0 });
  const bytes = new Uint8Array(CELLS / 8);
  stream.fill(bytes);
  const table = Float64Array.from({ length: CELLS }, (_, i) => ((bytes[i >> 3] >> (i & 7)) & 1 ? DITHER : -DITHER));
  table[0] = 0;
  table[Math.round(1 / step) % CELLS] = 0;
  return table;
}

/**
 * y = step · (q + T[q mod 4096]), q = ⌊x / step + 1/2⌋.
 * @throws WatermarkError WATERMARK_OUTPUT_UNFIT; SurgeryError
 */
export function addScores(tx: Transaction, id: MarkId, { output, step }: ScoresParams, key: Uint8Array): void {
  const { dtype } = findOutputType(tx, output);
  if (dtype !== 'f32' && dtype !== 'f64')
    throw toUnfit(output, `elements are ${dtype}; f32 and f64 resolve the dither`);
  const builder = new MarkBuilder(tx, id);
  const scalar = (name: string, value: number): string => builder.scalar(name, dtype, value);
  const floorOf = (value: string): string => builder.node('Floor', [value]);
  builder.onOutput({ output, use: 'scores' }, (value) => {
    const scaled = builder.node('Mul', [value, scalar('perStep', 1 / step)]);
    const number = floorOf(builder.node('Add', [scaled, scalar('half', 0.5)]));
    const turns = floorOf(builder.node('Mul', [number, scalar('perTurn', 1 / CELLS)]));
    const rest = builder.node('Sub', [number, builder.node('Mul', [turns, scalar('turn', CELLS)])]);
    const index = builder.node('Cast', [rest], { to: { int: 7 } });
    const table = builder.floats('table', dtype, [CELLS], toTable(key, step));
    const dither = builder.node('Gather', [table, index], { axis: { int: 0 } });
    return { op: 'Mul', inputs: [builder.node('Add', [number, dither]), scalar('step', step)] };
  });
}

export interface ScoresReading {
  /** Cells of the table that recorded scores fell into and that voted. */
  readonly cells: number;
  /** Votes that agree with the key. */
  readonly agreeing: number;
  /** -log2 P[Bin(cells, 1/2) ≥ agreeing], less log2(trials), at least 0. */
  readonly evidenceBits: number;
  readonly trials: number;
}

/**
 * Sign test of recorded scores against the key.
 *
 * Null hypothesis: the recorded scores are independent of the key. Each cell gives one vote, which the recording alone
 * decides (the sign of most of its residuals; a draw gives none), so votes agree with the key's bits independently, each with
 * probability 1/2. False-alarm rate at b bits: at most 2^-b, the trials counted.
 * @param trials keys, recordings and steps that were tried, at least 1
 * @throws WatermarkError WATERMARK_RECORDING_MALFORMED
 */
export function readScores(
  recording: Recording,
  { output, step }: ScoresParams,
  { key, trials }: { readonly key: Uint8Array; readonly trials: number },
): ScoresReading {
  const votes = new Int32Array(CELLS);
  for (const value of toNumbers(findRecorded(recording, output))) {
    const scaled = value / step;
    const number = Math.floor(scaled + 0.5);
    if (!(Math.abs(number) <= STEPS_MAX) || Math.abs(scaled - number) < VOTE_MIN) continue;
    votes[((number % CELLS) + CELLS) % CELLS] += Math.sign(scaled - number);
  }
  const table = toTable(key, step);
  let [cells, agreeing] = [0, 0];
  votes.forEach((vote, cell) => {
    if (vote === 0 || table[cell] === 0) return;
    cells++;
    if (Math.sign(vote) === Math.sign(table[cell])) agreeing++;
  });
  const evidenceBits = Math.max(0, toHardEvidenceBits(cells, cells - agreeing) - Math.log2(trials));
  return { cells, agreeing, evidenceBits, trials };
}
