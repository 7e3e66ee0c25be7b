/** What a model that is held here gave, as a caller gets it: held to his policy, and written in the form that he asked for. */
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import { applyPolicy, isRestricting } from '../output/index.ts';
import type { GatewayAnswer, NamedTensor, OutputPolicy, ProtocolName, ServedModel } from '../ports.ts';
import { isSlowAnswer } from '../protocols/encode-task.ts';
import type { AnswerForm, EmbeddedCodec } from '../protocols/ports.ts';
import { hashTensors } from '../tensors/hash.ts';
import type { BodyReader } from './body-reader.ts';
import type { InBand } from './ports.ts';

export interface Answering {
  readonly protocol: ProtocolName;
  readonly codec: EmbeddedCodec;
  readonly form: AnswerForm;
  readonly served: ServedModel;
  readonly policy: OutputPolicy;
  readonly inBand: InBand;
  /** Writes large answers elsewhere; without it they are written here. */
  readonly reader: BodyReader | undefined;
}

/** @throws GatewayError GATEWAY_ANSWER_VALUE | GATEWAY_ANSWER_SHAPE: not in the form that was asked for */
export function toEmbeddedAnswer(
  answering: Answering,
  outputs: readonly NamedTensor[],
): GatewayAnswer | Promise<GatewayAnswer> {
  const { policy, served, reader } = answering;
  const { signature } = served;
  if (reader === undefined || !isRestricting(policy) || !isLarge(outputs)) {
    return encode(answering, applyPolicy(outputs, policy, signature));
  }
  return reader.view({ outputs, policy, signature }).then((seen) => encode(answering, seen));
}

function isLarge(outputs: readonly NamedTensor[]): boolean {
  return outputs.reduce((sum, { data }) => sum + data.length, 0) > GATEWAY_LIMITS.loopOutputBytesMax;
}

function encode(answering: Answering, outputs: readonly NamedTensor[]): GatewayAnswer | Promise<GatewayAnswer> {
  const { protocol, codec, form, policy, inBand, reader } = answering;
  const { name, version } = answering.served;
  const wanted = form.outputs;
  const answered =
    wanted === null ? outputs : outputs.filter((output) => wanted.some((one) => one.name === output.name));
  const parameters = form.layout === 'oip' || form.layout === 'grpc' ? inBand(hashTensors(answered)) : undefined;
  const decimals = isRestricting(policy) ? policy.decimals : null;
  const extras = parameters === undefined ? { decimals } : { decimals, parameters };
  if (reader === undefined || !isSlowAnswer(form, answered))
    return codec.encode(form, { name, version }, answered, extras);
  return reader.encode({ protocol, form, model: { name, version }, outputs: answered, extras });
}
