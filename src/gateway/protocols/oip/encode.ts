/** Answers of the Open Inference Protocol, in JSON and with the binary extension. */
import { GatewayError } from '../../../core/errors.ts';
import { quote } from '../../json/quote.ts';
import type { GatewayAnswer, NamedTensor, TensorSignature } from '../../ports.ts';
import { findDatatype } from '../../tensors/datatypes.ts';
import { toListText } from '../../tensors/text.ts';
import { toJsonAnswer } from '../errors.ts';
import type { AnswerExtras, AnswerForm, AnsweringModel } from '../ports.ts';

/** @throws GatewayError GATEWAY_ANSWER_VALUE | GATEWAY_ANSWER_SHAPE */
export function encodeOip(
  form: AnswerForm,
  model: AnsweringModel,
  outputs: readonly NamedTensor[],
  extras: AnswerExtras = {},
): GatewayAnswer {
  const picked = pickOutputs(form, outputs);
  const texts = picked.map(({ tensor, isBinary }) => toOutput(tensor, isBinary, extras.decimals ?? null));
  const text = `{${toHeadText(model, extras.parameters, form.id)},"outputs":[${texts.join(',')}]}`;
  const binary = picked.filter(({ isBinary }) => isBinary).map(({ tensor }) => tensor.data);
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

/** The members before the outputs: the name, and of the others those that there are. */
export function toHeadText(
  { name, version }: AnsweringModel,
  parameters: AnswerExtras['parameters'],
  id: string | null = null,
): string {
  let text = `"model_name":${quote(name)}`;
  if (version !== '') text += `,"model_version":${quote(version)}`;
  if (id !== null) text += `,"id":${quote(id)}`;
  if (parameters === undefined) return text;
  const members = Object.keys(parameters).map((member) => `${quote(member)}:${quote(parameters[member])}`);
  return `${text},"parameters":{${members.join(',')}}`;
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
  const head = `"name":${quote(tensor.name)},"shape":[${tensor.shape.join(',')}],"datatype":"${toDatatypeName(tensor)}"`;
  if (isBinary) return `{${head},"parameters":{"binary_data_size":${tensor.data.length}}}`;
  return `{${head},"data":[${toListText(tensor, decimals)}]}`;
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
