/** TensorProto as it lies in the file, before it is judged. */
import { NOTHING } from './short-list.ts';
import type { TypedValues } from './typed.ts';
import type { Frame } from './wire.ts';

/** One serves all tensors of a model, one after another. */
export class TensorDraft {
  /** The message, in as many parts as it occurs. */
  parts: readonly Frame[] = NOTHING;
  name = '';
  dtypeCode = 0;
  dataLocation = 0;
  shape: number[] = NOTHING;
  /** Span of the raw data, when `rawFrame` is not null. */
  rawStart = 0;
  rawEnd = 0;
  rawFrame: Frame | null = null;
  /** One per typed field that occurs; most tensors have none. */
  typed: TypedValues[] = NOTHING;
  /** Frame of the first typed entry. */
  typedFrame: Frame | null = null;
  /** Spans of the strings, start and end in turn. */
  strings: number[] = NOTHING;
  external: (readonly [string, string])[] = NOTHING;

  /** Offset of the message. */
  get at(): number {
    return this.parts[0].start;
  }

  /** Forgets the last tensor. */
  begin(parts: readonly Frame[]): this {
    this.parts = parts;
    this.name = '';
    this.dtypeCode = 0;
    this.dataLocation = 0;
    this.shape = NOTHING;
    this.rawFrame = null;
    this.typed = NOTHING;
    this.typedFrame = null;
    this.strings = NOTHING;
    this.external = NOTHING;
    return this;
  }

  /** The values of the typed field of that number. */
  findTyped(number: number): TypedValues | undefined {
    return this.typed.find(({ field }) => field.number === number);
  }
}
