/** Writes the inputs of a set of triggers, for runs in places that this tool cannot reach. */
import { concatBytes } from '../../core/bytes.ts';
import { toNpyBytes } from '../../fidelity/index.ts';
import type { QuestionInput, QuestionSet } from '../../watermark/index.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { makeParent, writeBytes } from '../write-bytes.ts';
import { toTensorQuestion } from './ask.ts';
import { type ChooseTriggersOptions, withTriggers } from './verify.ts';

export interface ExportTriggersOptions extends ChooseTriggersOptions {
  /** Absolute path of the npy to make; it must not exist. */
  readonly out: string;
}

export interface ExportTriggersResult {
  readonly path: string;
  readonly triggers: number;
  readonly input: string;
  readonly output: string | null;
  readonly shape: readonly number[];
  readonly annex: string;
}

/**
 * One npy [triggers, …] of the first set that is found, in the element type of the model's input. Labels are not written.
 * @throws as `withTriggers`; SourceError WRITE_EXISTS
 */
export function exportTriggers(
  services: Services,
  openSession: () => Session,
  options: ExportTriggersOptions,
): Promise<ExportTriggersResult> {
  return withTriggers(services, openSession, options, ([{ set, annex }]) => {
    const questions = Array.from({ length: set.count }, (_, index) => toInput(set, index));
    const [{ name, dtype }] = questions;
    const shape = [set.count, ...questions[0].shape];
    const bytes = toNpyBytes({ dtype, shape, data: concatBytes(...questions.map(({ data }) => data)) });
    makeParent(services.storage, options.out);
    writeBytes(services.storage, { path: options.out, mode: 0o600, replace: false, bytes });
    return { path: options.out, triggers: set.count, input: name, output: set.output, shape, annex: annex.path };
  });
}

/** Prompts as they go into a decoder: 64-bit token ids. */
function toInput(set: QuestionSet, index: number): QuestionInput {
  const question = set.question(index);
  if (question.kind !== 'tokens') return toTensorQuestion(set, index);
  const { name, ids } = question;
  const data = new Uint8Array(BigInt64Array.from(ids, BigInt).buffer);
  return { name, dtype: 'i64', shape: [ids.length], data };
}
