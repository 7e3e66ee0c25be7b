/** Answers of the Open Inference Protocol, in JSON and with the binary extension. */
import { GatewayError } from '../../../core/errors.ts';
import type { GatewayAnswer, NamedTensor, TensorSignature } from '../../ports.ts';
import { findDatatype } from '../../tensors/datatypes.ts';
import { toTokens } from '../../tensors/text.ts';
import { toJsonAnswer } from '../errors.ts';
import type { AnswerExtras, AnswerForm, AnsweringModel } from '../ports.ts';

/** @throws GatewayError GATEWAY_ANSWER_VALUE | GATEWAY_ANSWER_SHAPE */
export function encodeOip(
  form: AnswerForm,
  model: AnsweringModel,
  outputs: readonly NamedTensor[],
  extras: AnswerExtras = {},
): GatewayAnswer {
  const binary: Uint8Array[] = [];
  const members = toHeadMembers(model);
  if (form.id !== null) members.push(`"id":${JSON.stringify(form.id)}`);
  if (extras.parameters !== undefined) members.push(`"parameters":${JSON.stringify(extras.parameters)}`);
  const texts: string[] = [];
  for (const { tensor, isBinary } of pickOutputs(form, outputs)) {
    if (isBinary) binary.push(tensor.data);
    texts.push(toOutput(tensor, isBinary, extras.decimals ?? null));
  }
  members.push(`"outputs":[${texts.join(',')}]`);
  const text = `{${members.join(',')}}`;
  if (binary.length === 0) return toJsonAnswer(200, text);
  const json = Buffer.from(text, 'utf8');
  return {
    status: 200,
    headers: [
      ['content-type', 'application/octet-stream'],
      ['inference-header-content-length', String(json.length)],
    ],
    body: Buffer.concat([json, ...binary]),
  };
}

/** Name, and version where there is one. */
export function toHeadMembers({ name, version }: AnsweringModel): string[] {
  const member = `"model_name":${JSON.stringify(name)}`;
  return version === '' ? [member] : [member, `"model_version":${JSON.stringify(version)}`];
}

/** The outputs that were asked for, in that order; those that the policy took away are not there any more. */
export function pickOutputs(
  form: AnswerForm,
  outputs: readonly NamedTensor[],
): readonly { readonly tensor: NamedTensor; readonly isBinary: boolean }[] {
  if (form.outputs === null) return outputs.map((tensor) => ({ tensor, isBinary: form.isBinary }));
  return form.outputs.flatMap(({ name, isBinary }) => {
    const tensor = outputs.find((output) => output.name === name);
    return tensor === undefined ? [] : [{ tensor, isBinary }];
  });
}

function toOutput(tensor: NamedTensor, isBinary: boolean, decimals: number | null): string {
  const head = `"name":${JSON.stringify(tensor.name)},"shape":[${tensor.shape.join(',')}],"datatype":"${toDatatypeName(tensor)}"`;
  if (isBinary) return `{${head},"parameters":{"binary_data_size":${tensor.data.length}}}`;
  return `{${head},"data":[${toTokens(tensor, decimals).join(',')}]}`;
}

/** @throws GatewayError GATEWAY_ANSWER_SHAPE for types that the protocol does not have */
export function toDatatypeName({ name, dtype }: Pick<NamedTensor, 'name' | 'dtype'>): string {
  const row = findDatatype(dtype);
  if (row === undefined) throw new GatewayError('GATEWAY_ANSWER_SHAPE', { fields: { at: name } });
  return row.datatype;
}

/** Metadata of tensors; -1 where any length is taken. Types that the protocol does not have are BYTES, which nobody can ask with. */
export function toMetadata({ name, dtype, shape }: TensorSignature): {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
} {
  return { name, datatype: findDatatype(dtype)?.datatype ?? 'BYTES', shape: shape.map((dim) => dim ?? -1) };
}
