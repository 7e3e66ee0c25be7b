/** What servers tell of themselves over gRPC, whole and broken. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../../test/error-code.ts';
import type { UpstreamAnswer } from '../../ports.ts';
import { encodeGrpcInfo } from './encode.ts';
import { FRAME_HEAD_BYTES, toFrame } from './frame.ts';
import { isGrpcReady, readGrpcSignature } from './metadata.ts';
import { WireWriter } from './wire.ts';

const SIGNATURE = {
  inputs: [
    { name: 'x', dtype: 'f32', shape: [null, 3, 224] },
    { name: 'text', dtype: 'string', shape: [null] },
  ],
  outputs: [{ name: 'y', dtype: 'i64', shape: [] }],
} as const;

const METADATA = encodeGrpcInfo({ kind: 'model-metadata', name: 'net', versions: ['1'], signature: SIGNATURE });

type Whole = UpstreamAnswer & { readonly body: Uint8Array };

const come = (body: Uint8Array, status = '0', http = 200): Whole => ({
  ...{ status: http, headers: [['content-type', 'application/grpc']], body },
  trailers: () => [['grpc-status', status]],
});
const frame = (message: WireWriter): Uint8Array => toFrame(message.finish(FRAME_HEAD_BYTES));
const metadata = METADATA.body as Uint8Array;

describe('a server of gRPC', () => {
  test('tells what a model takes and gives', () => {
    expect(readGrpcSignature(come(metadata))).toEqual(SIGNATURE);
  });

  test.each([
    ['with a status', come(metadata, '5'), 'GATEWAY_UPSTREAM_REFUSED'],
    ['over HTTP', come(metadata, '0', 503), 'GATEWAY_UPSTREAM_REFUSED'],
    ['without a frame', come(metadata.subarray(5)), 'GATEWAY_UPSTREAM_MALFORMED'],
    ['without tensors', come(frame(new WireWriter().text(1, 'net'))), 'GATEWAY_UPSTREAM_MALFORMED'],
  ])('is refused %s', (_name, answer, code) => {
    expect(codeOf(() => readGrpcSignature(answer))).toBe(code);
  });

  test('is ready when it says so, and never else', () => {
    expect(isGrpcReady(come(frame(new WireWriter().truth(1, true))))).toBe(true);
    for (const answer of [
      ...[
        come(frame(new WireWriter())),
        come(frame(new WireWriter().truth(2, true))),
        come(frame(new WireWriter().truth(1, false))),
      ],
      ...[come(frame(new WireWriter().truth(1, true)), '14'), come(new Uint8Array()), come(metadata)],
    ]) {
      expect(isGrpcReady(answer)).toBe(false);
    }
  });

  test('that says anything else is read or refused with a code of the gateway', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(metadata.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (changes) => {
          const body = new Uint8Array(metadata);
          for (const [at, byte] of changes) body[at] = byte;
          expect(codeOf(() => readGrpcSignature(come(body)))).toMatch(
            /^(no error|GATEWAY_UPSTREAM_\w+|GATEWAY_CONTENT_TYPE)$/,
          );
          expect(isGrpcReady(come(body))).toEqual(expect.any(Boolean));
        },
      ),
      { numRuns: 2000 },
    );
  });
});
