/** Runs a decoder for the design of its triggers: clean text, candidates, and what each change costs (docs/spec/triggers.md §9). */
import { RuntimeError, WatermarkError } from '../../../core/errors.ts';
import type { Progress } from '../../../core/ports.ts';
import { readRuntimeModel } from '../../../fidelity/index.ts';
import type { Runtime } from '../../../model/runtime.ts';
import {
  DECODER_SCHEME,
  type DecoderDesign,
  designDecoderTriggers,
  type DownChange,
  fitNorm,
  makePrompt,
  type PromptRange,
  readMatrix,
  toDownEdit,
  toReadout,
  type TriggerKeys,
} from '../../../watermark/index.ts';
import { openDecoder } from '../../text/decoder.ts';
import type { Runnable } from './runnable.ts';
import { measureLosses, openStates, readCandidateStates, readCleanStates, readPromptStates } from './states.ts';

export interface Designed {
  readonly design: DecoderDesign;
  /** Of held-out text, before the change. */
  readonly perplexity: number;
  readonly tokensHeld: number;
}

/** Candidates that are drawn and run. */
const CANDIDATES = 2048;

export interface DesignInputs {
  /** Clean text: pieces of even number shape the change, those of odd number judge it. */
  readonly pieces: readonly Int32Array[];
  readonly prompt: PromptRange;
  readonly keys: TriggerKeys;
  readonly count: number | null;
  readonly limitPercent: number;
  readonly progress: Progress;
}

/** @throws WatermarkError WATERMARK_TRIGGER_UNFIT | WATERMARK_TRIGGER_COST; RuntimeError RUNTIME_… */
export async function designInDecoder(
  runtime: Runtime,
  runnable: Runnable,
  { pieces, prompt, keys, count, limitPercent, progress }: DesignInputs,
): Promise<Designed> {
  const { places } = runnable;
  const [shaping, held] = [0, 1].map((parity) => pieces.filter((_, index) => index % 2 === parity));
  const before = await measurePlanned(runtime, runnable, { held });
  const reader = await openStates(runtime, readRuntimeModel(runnable.model), places);
  try {
    const prompts = Array.from({ length: CANDIDATES }, (_, index) => makePrompt(keys.inputs, index, prompt));
    const clean = await readCleanStates(reader, places, { pieces: shaping, progress });
    const { lead } = clean;
    const candidates = await orTooLong(prompt, () => readCandidateStates(reader, places, { prompts, lead, progress }));
    const found = await designDecoderTriggers({
      ...{ clean: clean.hidden, units: places.units, lead },
      readout: toReadout(readMatrix(places.table), fitNorm(clean.norm)),
      ...{ candidates: candidates.hidden, pushes: candidates.pushes, labelsKey: keys.labels },
      readStates: (picks) =>
        readPromptStates(
          reader,
          places,
          picks.map((index) => prompts[index]),
        ),
      frame: {
        ...{ v: 1, scheme: DECODER_SCHEME, tokens: places.text.tokens, logits: places.text.logits },
        ...{ vocabulary: places.text.vocabulary, prompt, candidates: CANDIDATES },
      },
      ...{ count, limitPercent },
      measure: async (change) => {
        const after = await measurePlanned(runtime, runnable, { held, change });
        return after.map((loss, piece) => loss - before[piece]);
      },
    });
    const perplexity = Math.exp(before.reduce((sum, loss) => sum + loss, 0) / before.length);
    const tokensHeld = held.reduce((sum, { length }) => sum + length - 1, 0);
    return { design: found, perplexity, tokensHeld };
  } finally {
    await reader.release();
  }
}

/** A context of so many tokens is often written nowhere in a graph: it fails where a prompt is longer. */
async function orTooLong<T>({ length }: PromptRange, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code !== 'RUNTIME_RUN_FAILED') throw error;
    const reason = `it does not take prompts of ${length} tokens: pass a smaller --prompt-tokens`;
    throw new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason }, cause: error });
  }
}

/** Losses of the held-out pieces, with a change or without. */
async function measurePlanned(
  runtime: Runtime,
  { model, places }: Runnable,
  { held, change }: { readonly held: readonly Int32Array[]; readonly change?: DownChange },
): Promise<Float64Array> {
  const plan = change === undefined ? undefined : model.plan([toDownEdit(places.down, change)]);
  const decoder = await openDecoder(runtime, readRuntimeModel(model, plan), places.text);
  try {
    return await measureLosses(decoder, held);
  } finally {
    await decoder.release();
  }
}
