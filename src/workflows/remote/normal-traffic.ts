/** Normal inputs that questions are hidden among: samples of the user's data, or lines of a text. */
import { RemoteError } from '../../core/errors.ts';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import { fitData } from '../../fidelity/index.ts';
import type { Question, QuestionInput, QuestionSet } from '../../watermark/index.ts';
import { openEvalData } from '../protect/eval-data.ts';
import type { Services } from '../services.ts';
import { readSequences } from '../text/tokens.ts';

export interface NormalTraffic {
  readonly count: number;
  question(index: number): Question;
  close(): void;
}

const NONE: NormalTraffic = {
  count: 0,
  question: () => {
    throw new Error('internal error: no normal traffic');
  },
  close: () => undefined,
};

/** Inputs used at most: no budget has room for more. */
const COUNT_MAX = REMOTE_LIMITS.queriesMax;

/**
 * @param path absolute path of labelled data, or for questions in words of a text file with one prompt per line; none
 *   without it
 * @throws RuntimeError DATA_…; SourceError; RemoteError REMOTE_FORMAT_UNFIT when the text has no lines
 */
export function openNormalTraffic(services: Services, path: string | undefined, set: QuestionSet): NormalTraffic {
  if (path === undefined) return NONE;
  const sample = set.question(0);
  if (sample.kind === 'text') return openLines(services, path);
  if (sample.kind === 'tokens') return openTokens(path, sample);
  return openSamples(services, path, sample.inputs, set);
}

/** Pieces of texts as token ids, as long as the questions. */
function openTokens(path: string, { name, ids: { length } }: TokensQuestion): NormalTraffic {
  const pieces = readSequences(path, null)
    .map((sequence) => Int32Array.from(sequence))
    .flatMap((ids) =>
      Array.from({ length: Math.floor(ids.length / length) }, (_, i) => ids.subarray(i * length, (i + 1) * length)),
    )
    .slice(0, COUNT_MAX);
  if (pieces.length === 0) {
    throw new RemoteError('REMOTE_FORMAT_UNFIT', { message: `No text is as long as the questions, ${length} tokens.` });
  }
  return {
    count: pieces.length,
    question: (index) => ({ kind: 'tokens', name, ids: pieces[index] }),
    close: () => undefined,
  };
}

type TokensQuestion = Extract<Question, { kind: 'tokens' }>;

function openLines({ storage }: Services, path: string): NormalTraffic {
  const lines = Buffer.from(storage.read(path))
    .toString('utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(0, COUNT_MAX);
  if (lines.length === 0) throw new RemoteError('REMOTE_FORMAT_UNFIT', { message: 'The text has no lines.' });
  return { count: lines.length, question: (index) => ({ kind: 'text', prompt: lines[index] }), close: () => undefined };
}

/** One input from the data; all others as in the first question, where they are masks and states. */
function openSamples(
  services: Services,
  path: string,
  inputs: readonly QuestionInput[],
  { hasBatchAxis }: QuestionSet,
): NormalTraffic {
  const data = openEvalData(services, { evalPath: path, labelColumn: undefined, dataRoot: undefined });
  if (data === null) return NONE;
  try {
    const signature = inputs.map(({ name, dtype, shape }) => ({
      ...{ name, dtype },
      shape: hasBatchAxis ? [null, ...shape] : shape,
    }));
    const fit = fitData(data, signature);
    return {
      count: Math.min(COUNT_MAX, data.count),
      question: (index) => ({
        kind: 'tensors',
        inputs: inputs.map((input) => {
          if (input.name !== fit.input) return input;
          return { ...input, data: fit.encode(index, 1, fit.scales[0]).data };
        }),
      }),
      close: () => {
        data.close();
      },
    };
  } catch (error) {
    data.close();
    throw error;
  }
}
