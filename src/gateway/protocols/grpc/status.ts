/** Status of gRPC calls: a number and a sentence, in trailers. @see https://grpc.io/docs/guides/status-codes/ */
import { GatewayError } from '../../../core/errors.ts';
import type { GatewayAnswer, HeaderList } from '../../ports.ts';
import { CODE_HEADER, toSentence, type ToldError } from '../errors.ts';
import { findHeader } from '../headers.ts';

/** Of the HTTP status that the code has elsewhere. */
const STATUS: Readonly<Record<number, number | undefined>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 12,
  405: 12,
  408: 4,
  413: 8,
  415: 12,
  429: 8,
  431: 8,
  500: 13,
  502: 14,
  503: 14,
  504: 4,
};

const TYPE: readonly [string, string] = ['content-type', 'application/grpc'];
const UNKNOWN = 2;

/** An answer that is headers alone ("Trailers-Only"). */
export function toGrpcError(told: ToldError): GatewayAnswer {
  const status = STATUS[told.status] ?? UNKNOWN;
  const message = encodeURIComponent(toSentence(told)).replaceAll('%20', ' ');
  return {
    status: 200,
    headers: [TYPE, ['grpc-status', String(status)], ['grpc-message', message], [CODE_HEADER, told.code]],
    body: new Uint8Array(),
  };
}

export function toGrpcAnswer(frame: Uint8Array): GatewayAnswer {
  return { status: 200, headers: [TYPE], body: frame, trailers: () => [['grpc-status', '0']] };
}

/** @throws GatewayError GATEWAY_UPSTREAM_REFUSED for every status but 0, or none */
export function checkGrpcStatus(headers: HeaderList, trailers: HeaderList): void {
  const status = findHeader(trailers, 'grpc-status') ?? findHeader(headers, 'grpc-status');
  if (status === '0') return;
  const number = status !== undefined && /^[0-9]{1,2}$/.test(status) ? Number(status) : UNKNOWN;
  throw new GatewayError('GATEWAY_UPSTREAM_REFUSED', { fields: { grpcStatus: number } });
}
