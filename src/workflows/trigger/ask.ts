/** Runs triggers through a model: many questions in one run, and the class that each is answered with. */
import { concatBytes } from '../../core/bytes.ts';
import { WatermarkError } from '../../core/errors.ts';
import type { Progress } from '../../core/ports.ts';
import { encodeValues, toValues } from '../../fidelity/index.ts';
import type { RuntimeSession, RuntimeTensor } from '../../model/runtime.ts';
import type { ValueInfo } from '../../model/types.ts';
import { type QuestionInput, type QuestionSet, toBest } from '../../watermark/index.ts';

/** Questions of one run, where the batch is free. */
const BATCH = 64;

/** How a session takes questions. */
export interface Intake {
  readonly input: ValueInfo;
  /** Rows of one run; a fixed batch is filled up with the last question. */
  readonly rows: number;
}

/**
 * @throws WatermarkError WATERMARK_TRIGGER_SUSPECT_UNFIT when the session has another number of inputs, or one of another
 *   shape
 */
export function toIntake(session: RuntimeSession, { dtype, shape }: Omit<QuestionInput, 'data' | 'name'>): Intake {
  const [input] = session.inputs;
  if (session.inputs.length !== 1) throw unfit(`it has ${session.inputs.length} inputs, not one`);
  if (input.dtype === null || input.shape === null) throw unfit('the type of its input is not known');
  const [batch, ...dims] = input.shape;
  const isFitting =
    dims.length === shape.length && dims.every((dim, axis) => typeof dim !== 'number' || dim === shape[axis]);
  if (!isFitting) {
    throw unfit(
      `it takes ${dtype} [${dims.map((dim) => dim ?? '?').join(', ')}], the triggers are [${shape.join(', ')}]`,
    );
  }
  return { input, rows: typeof batch === 'number' ? Math.max(1, batch) : BATCH };
}

/** One run's worth of inputs from question `start`; `count` of them are new. */
export function toQuestionFeed(
  { input, rows }: Intake,
  questions: readonly QuestionInput[],
): ReadonlyMap<string, RuntimeTensor> {
  const isFixed = typeof input.shape?.[0] === 'number';
  const padding = isFixed ? rows - questions.length : 0;
  const all = [...questions, ...Array<QuestionInput>(padding).fill(questions[questions.length - 1])];
  const [{ dtype, shape }] = questions;
  const wanted = input.dtype ?? dtype;
  const data = concatBytes(
    ...all.map((one) =>
      wanted === dtype ? one.data : encodeValues(wanted, toValues({ dtype, shape, data: one.data })),
    ),
  );
  return new Map([[input.name, { dtype: wanted, shape: [all.length, ...shape], data }]]);
}

/** The tensors of question `index`. */
export function toTensorQuestion(set: Pick<QuestionSet, 'question'>, index: number): QuestionInput {
  const question = set.question(index);
  if (question.kind !== 'tensors') throw new TypeError('triggers are tensors');
  return question.inputs[0];
}

/**
 * The class that the session answers each question with.
 * @throws WatermarkError WATERMARK_TRIGGER_SUSPECT_UNFIT; RuntimeError RUNTIME_RUN_FAILED
 */
export async function askSession(session: RuntimeSession, set: QuestionSet, progress: Progress): Promise<number[]> {
  const intake = toIntake(session, toTensorQuestion(set, 0));
  const answers: number[] = [];
  progress.step('triggers', set.count, 'items');
  for (let start = 0; start < set.count; start += intake.rows) {
    const count = Math.min(intake.rows, set.count - start);
    const questions = Array.from({ length: count }, (_, i) => toTensorQuestion(set, start + i));
    const results = await session.run(toQuestionFeed(intake, questions));
    answers.push(...toAnswers(results, set).slice(0, count));
    progress.advance(count);
  }
  progress.done();
  return answers;
}

/**
 * Classes of recorded or computed answers: the output that the triggers were made for, else the only one that fits. Scores
 * are [rows, classes], after prompts also [rows, tokens, classes], of which the last token counts; whole numbers [rows] are
 * classes already.
 * @throws WatermarkError WATERMARK_TRIGGER_SUSPECT_UNFIT
 */
export function toAnswers(
  results: ReadonlyMap<string, RuntimeTensor>,
  set: Pick<QuestionSet, 'output' | 'classes'> & Partial<Pick<QuestionSet, 'question'>>,
): number[] {
  const { output, classes } = set;
  const named = output === null ? undefined : results.get(output);
  const candidates = named === undefined ? [...results.values()] : [named];
  for (const tensor of candidates) {
    const dims = tensor.shape.slice(1).filter((dim) => dim !== 1);
    const values = toValues(tensor);
    if (dims.length === 1 && dims[0] === classes) {
      return Array.from({ length: values.length / classes }, (_, row) =>
        toBest(values.subarray(row * classes, (row + 1) * classes)),
      );
    }
    if (tensor.shape.length === 3 && tensor.shape[2] === classes && set.question?.(0).kind === 'tokens') {
      const [rows, tokens] = tensor.shape;
      return Array.from({ length: rows }, (_, row) => {
        const end = (row + 1) * tokens * classes;
        return toBest(values.subarray(end - classes, end));
      });
    }
    if (dims.length === 0 && tensor.shape.length >= 1 && values.every(Number.isInteger)) return [...values];
  }
  throw unfit(`it has no output with ${classes ?? 0} class scores`);
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_SUSPECT_UNFIT', { fields: { reason } });
}
