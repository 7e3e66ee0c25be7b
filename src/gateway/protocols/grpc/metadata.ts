/** What servers tell of themselves over gRPC: whether a model is ready, and what it takes and gives. */
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import type { ModelSignature, TensorSignature, UpstreamAnswer } from '../../ports.ts';
import { findDeclared } from '../../tensors/declared.ts';
import { toSignature } from '../oip/metadata.ts';
import { toGoodHeaders } from '../upstream.ts';
import { readFrame } from './frame.ts';
import { checkGrpcStatus } from './status.ts';
import { WireCursor } from './wire.ts';

type WholeAnswer = UpstreamAnswer & { readonly body: Uint8Array };

const NAME_BYTES_MAX = 4 * GATEWAY_LIMITS.nameCharsMax;

/** Status 0, and `ready: true` in field 1 of the message. */
export function isGrpcReady(answer: WholeAnswer): boolean {
  try {
    const cursor = open(answer);
    let isReady = false;
    while (cursor.next()) if (cursor.number === 1) isReady = cursor.truth();
    return isReady;
  } catch {
    return false;
  }
}

/** @throws GatewayError GATEWAY_UPSTREAM_REFUSED | GATEWAY_UPSTREAM_MALFORMED */
export function readGrpcSignature(answer: WholeAnswer): ModelSignature {
  const cursor = open(answer);
  const [inputs, outputs]: [(TensorSignature | null)[], (TensorSignature | null)[]] = [[], []];
  while (cursor.next()) {
    const tensors = cursor.number === 4 ? inputs : cursor.number === 5 ? outputs : null;
    if (tensors === null) continue;
    if (tensors.length === GATEWAY_LIMITS.tensorsMax) cursor.fail('too many tensors');
    tensors.push(readTensor(cursor.enter()));
  }
  return toSignature(inputs, outputs);
}

function open(answer: WholeAnswer): WireCursor {
  toGoodHeaders(answer, []);
  checkGrpcStatus(answer.headers, answer.trailers?.() ?? []);
  const message = readFrame(answer.body, 'GATEWAY_UPSTREAM_MALFORMED');
  return new WireCursor(message, 0, message.length, 'GATEWAY_UPSTREAM_MALFORMED');
}

/** TensorMetadata. */
function readTensor(cursor: WireCursor): TensorSignature | null {
  let [name, datatype] = ['', ''];
  const shape: number[] = [];
  while (cursor.next()) {
    if (cursor.number === 1) name = cursor.text(NAME_BYTES_MAX);
    else if (cursor.number === 2) datatype = cursor.text(NAME_BYTES_MAX);
    else if (cursor.number === 3) {
      cursor.scalars('varint', () => {
        if (shape.length === GATEWAY_LIMITS.rankMax) cursor.fail('too many axes');
        // -1, any length, is a number of 64 bits that are all set.
        shape.push(cursor.high === 0xffffffff ? -1 : cursor.high * 2 ** 32 + cursor.low);
      });
    }
  }
  return findDeclared({ name, datatype, shape });
}
