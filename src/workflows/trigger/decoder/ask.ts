/** Asks a decoder the token after each prompt. */
import { RuntimeError, WatermarkError } from '../../../core/errors.ts';
import type { Progress } from '../../../core/ports.ts';
import { readRuntimeModel } from '../../../fidelity/index.ts';
import type { Model } from '../../../model/types.ts';
import { type QuestionSet, toBest } from '../../../watermark/index.ts';
import type { Services } from '../../services.ts';
import { type Decoder, openDecoder } from '../../text/decoder.ts';
import { openAskable } from './runnable.ts';
import { cutBatches } from './states.ts';

/**
 * Asks a suspect model. @param graph the ONNX form of a checkpoint, or null
 * @throws WatermarkError WATERMARK_TRIGGER_SUSPECT_UNFIT; RuntimeError
 */
export async function askDecoderModel(
  { openRuntime, progress }: Pick<Services, 'openRuntime' | 'progress'>,
  { suspect, graph }: { readonly suspect: Model; readonly graph: Model | null },
  set: QuestionSet,
): Promise<number[]> {
  const { model, text } = openAskable(suspect, graph);
  try {
    const decoder = await openDecoder(await openRuntime(), readRuntimeModel(model), text);
    try {
      return await askDecoder(decoder, set, progress);
    } finally {
      await decoder.release();
    }
  } finally {
    if (model !== suspect) model.close();
  }
}

/**
 * The likeliest token after each prompt of a set.
 * @throws WatermarkError WATERMARK_TRIGGER_SUSPECT_UNFIT when the vocabulary is another one, or prompts do not fit; RuntimeError
 */
export async function askDecoder(decoder: Decoder, set: QuestionSet, progress: Progress): Promise<number[]> {
  const { vocabulary, fixedTokens } = decoder;
  if (vocabulary !== set.classes) throw unfit(`it has ${vocabulary} tokens, the triggers are of ${set.classes ?? 0}`);
  const prompts = Array.from({ length: set.count }, (_, index) => toPrompt(set, index));
  if (fixedTokens !== null && prompts[0].length > fixedTokens) {
    throw unfit(`prompts of ${prompts[0].length} tokens do not fit into the ${fixedTokens} that it takes`);
  }
  const answers: number[] = [];
  progress.step('triggers', set.count, 'items');
  for (const batch of cutBatches(prompts, vocabulary)) {
    for (const rows of await scoreOr(decoder, batch)) answers.push(toBest(rows.at(-1) ?? new Float64Array(1)));
    progress.advance(batch.length);
  }
  progress.done();
  return answers;
}

function toPrompt(set: Pick<QuestionSet, 'question'>, index: number): Int32Array {
  const question = set.question(index);
  if (question.kind !== 'tokens') throw new TypeError('a decoder is asked token ids');
  return question.ids;
}

async function scoreOr(decoder: Decoder, batch: readonly Int32Array[]): Promise<Float64Array[][]> {
  try {
    return await decoder.score(batch);
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code !== 'RUNTIME_RUN_FAILED') throw error;
    throw new WatermarkError('WATERMARK_TRIGGER_SUSPECT_UNFIT', {
      fields: { reason: `it does not take prompts of ${batch[0].length} tokens` },
      cause: error,
    });
  }
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_SUSPECT_UNFIT', { fields: { reason } });
}
