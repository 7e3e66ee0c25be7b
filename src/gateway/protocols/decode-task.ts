/** Decoding as another thread's work: plain values in, plain values out. */
import { type ErrorCode, type ErrorFields, GatewayError } from '../../core/errors.ts';
import type { ModelSignature, ProtocolName } from '../ports.ts';
import { createOipGrpc } from './grpc/grpc.ts';
import { createOip } from './oip/oip.ts';
import { createPlain } from './plain.ts';
import type { Caps, DecodedRequest, EmbeddedCodec, RequestBytes } from './ports.ts';
import { createSagemaker } from './sagemaker.ts';
import { createTorchserve } from './torchserve.ts';
import { createVertex } from './vertex.ts';

/** Structured-cloneable; the body's memory can be handed over. */
export interface DecodeTask {
  readonly protocol: ProtocolName;
  /** Parameters that are taken, of protocols that have them. */
  readonly parameters: readonly string[];
  readonly request: RequestBytes;
  readonly signature: ModelSignature;
  readonly caps: Caps;
}

/** Structured-cloneable. */
export type DecodeOutcome =
  | { readonly isDecoded: true; readonly request: DecodedRequest }
  | { readonly isDecoded: false; readonly code: ErrorCode; readonly fields: ErrorFields };

/** How a body is read depends on none of the routes and names of a protocol. */
function findCodec(protocol: ProtocolName, parameters: readonly string[]): EmbeddedCodec | null {
  switch (protocol) {
    case 'oip':
      return createOip({ parameters }).embedded;
    case 'oip-grpc':
      return createOipGrpc({ parameters }).embedded;
    case 'torchserve':
      return createTorchserve().embedded;
    case 'sagemaker':
      return createSagemaker({ model: '' }).embedded;
    case 'vertex':
      return createVertex({ model: '', predictRoute: '/', healthRoute: '/' }).embedded;
    case 'plain':
      return createPlain({ routes: [] }).embedded;
    default:
      return null;
  }
}

/** @throws TypeError for a protocol by which no model that is held here is asked */
export function openCodec(protocol: ProtocolName, parameters: readonly string[]): EmbeddedCodec {
  const codec = findCodec(protocol, parameters);
  if (codec === null) throw new TypeError(`${protocol} holds no models`);
  return codec;
}

const HEADERS = [
  ...['content-type', 'content-encoding', 'accept', 'inference-header-content-length'],
  ...['x-amzn-sagemaker-custom-attributes', 'x-amzn-sagemaker-inference-id'],
];

/** The headers that reading looks at: credentials stay in the thread that has them. */
export function pickTaskHeaders(headers: RequestBytes['headers']): RequestBytes['headers'] {
  return Object.fromEntries(HEADERS.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));
}

/** Pure; what a caller can get wrong is an outcome, not an exception. */
export function runDecodeTask({ protocol, parameters, request, signature, caps }: DecodeTask): DecodeOutcome {
  const codec = openCodec(protocol, parameters);
  try {
    return { isDecoded: true, request: codec.decode(request, signature, caps) };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { isDecoded: false, code: error.code, fields: error.fields };
  }
}
