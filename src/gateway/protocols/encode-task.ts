/** Writing a large answer as another thread's work: plain values in, plain values out. */
import { type ErrorCode, type ErrorFields, GatewayError } from '../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import type { GatewayAnswer, NamedTensor, ProtocolName } from '../ports.ts';
import { openCodec } from './decode-task.ts';
import type { AnswerExtras, AnswerForm, AnsweringModel } from './ports.ts';

/** Structured-cloneable. */
export interface EncodeTask {
  readonly protocol: ProtocolName;
  readonly form: AnswerForm;
  readonly model: AnsweringModel;
  readonly outputs: readonly NamedTensor[];
  readonly extras: AnswerExtras;
}

/** An answer that is there whole. */
export type WholeAnswer = Pick<GatewayAnswer, 'status' | 'headers'> & { readonly body: Uint8Array };

/** Structured-cloneable. */
export type EncodeOutcome =
  | { readonly isEncoded: true; readonly answer: WholeAnswer }
  | { readonly isEncoded: false; readonly code: ErrorCode; readonly fields: ErrorFields };

/** Bytes as they are cost next to nothing; it is numbers as text that block. */
export function isSlowAnswer(form: AnswerForm, outputs: readonly NamedTensor[]): boolean {
  if (form.layout === 'grpc' || form.layout === 'bytes') return false;
  let bytes = 0;
  for (const { name, data } of outputs) {
    const wanted = form.outputs?.find((output) => output.name === name);
    if (!(wanted ?? form).isBinary) bytes += data.length;
  }
  return bytes > GATEWAY_LIMITS.loopOutputBytesMax;
}

/** Pure; what an output can hold that the form has no place for is an outcome, not an exception. */
export function runEncodeTask({ protocol, form, model, outputs, extras }: EncodeTask): EncodeOutcome {
  try {
    const { status, headers, body } = openCodec(protocol, []).encode(form, model, outputs, extras);
    return { isEncoded: true, answer: { status, headers, body: body as Uint8Array } };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { isEncoded: false, code: error.code, fields: error.fields };
  }
}
