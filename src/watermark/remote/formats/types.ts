/** How questions become a request and a reply becomes answers (docs/spec/remote-check.md §4). */
import type { Answer, Question } from '../questions.ts';

export interface FormatContext {
  readonly hasBatchAxis: boolean;
  /** Classes of an answer; null for texts. */
  readonly classes: number | null;
  /** Output that holds the scores, where a reply names its outputs; null for texts. */
  readonly output: string | null;
  /** Class names in the order of their numbers, for services that answer with names; empty for none. */
  readonly labels: ReadonlyMap<string, number>;
  /** Name of the model that a request must carry; null where none was given. */
  readonly model: string | null;
}

/** One way in which services are asked. */
export interface RequestFormat {
  /** Kind of question that it can ask. */
  readonly kind: Question['kind'];
  /** True when one request can hold several questions; tensors also need a batch axis for that. */
  readonly isBatched: boolean;
  /** The body as a value for JSON. @param questions one or more, all of `kind` */
  write(questions: readonly Question[], context: FormatContext): unknown;
  /**
   * One entry per question: the answer, or null where there is none that can be read. Never throws for what a server
   * sends.
   */
  read(reply: unknown, count: number, context: FormatContext): readonly (Answer | null)[];
}
