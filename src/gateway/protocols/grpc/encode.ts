/** Messages that the gateway writes: answers to inference, health and metadata. */
import type { GatewayAnswer, NamedTensor, TensorSignature } from '../../ports.ts';
import { pickOutputs, toDatatypeName, toMetadata } from '../oip/encode.ts';
import type { AnswerExtras, AnswerForm, AnsweringModel, Info } from '../ports.ts';
import { FRAME_HEAD_BYTES, toFrame } from './frame.ts';
import { toGrpcAnswer } from './status.ts';
import { WireWriter } from './wire.ts';

/** ModelInferResponse, values raw. @throws GatewayError GATEWAY_ANSWER_SHAPE */
export function encodeGrpc(
  form: AnswerForm,
  model: AnsweringModel,
  outputs: readonly NamedTensor[],
  extras: AnswerExtras = {},
): GatewayAnswer {
  const picked = pickOutputs(form, outputs);
  const message = toAnswerHead(model, extras).text(3, form.id ?? '');
  for (const { tensor } of picked) {
    message.message(
      5,
      new WireWriter().text(1, tensor.name).text(2, toDatatypeName(tensor)).packedInts(3, tensor.shape),
    );
  }
  for (const { tensor } of picked) message.bytes(6, tensor.data);
  return toAnswer(message);
}

/** Name, version and parameters of an answer. */
export function toAnswerHead(model: AnsweringModel, extras: AnswerExtras = {}): WireWriter {
  const message = new WireWriter().text(1, model.name).text(2, model.version);
  for (const [key, value] of Object.entries(extras.parameters ?? {})) {
    message.message(4, new WireWriter().text(1, key).message(2, new WireWriter().text(3, value)));
  }
  return message;
}

export function encodeGrpcInfo(info: Info): GatewayAnswer {
  switch (info.kind) {
    case 'server-live':
      return toAnswer(new WireWriter().truth(1, true));
    case 'server-ready':
    case 'model-ready':
      return toAnswer(new WireWriter().truth(1, info.isReady));
    case 'server-metadata':
      return toAnswer(new WireWriter().text(1, info.name).text(2, info.version));
    case 'model-metadata': {
      const message = new WireWriter().text(1, info.name);
      for (const version of info.versions) message.text(2, version);
      message.text(3, 'modelward');
      for (const input of info.signature.inputs) message.message(4, toTensorMetadata(input));
      for (const output of info.signature.outputs) message.message(5, toTensorMetadata(output));
      return toAnswer(message);
    }
    default:
      throw new TypeError('the Open Inference Protocol has no list of models');
  }
}

function toTensorMetadata(tensor: TensorSignature): WireWriter {
  const { name, datatype, shape } = toMetadata(tensor);
  return new WireWriter().text(1, name).text(2, datatype).packedInts(3, shape);
}

export function toAnswer(message: WireWriter): GatewayAnswer {
  return toGrpcAnswer(toFrame(message.finish(FRAME_HEAD_BYTES)));
}
