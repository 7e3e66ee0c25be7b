/** A large ONNX file, for rows about edits of such. */
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import * as P from '../../test/formats/proto.ts';

const TENSORS = 375;
const TENSOR_BYTES = 4 * 2 ** 20;
export const LARGE_ONNX_BYTES = TENSORS * TENSOR_BYTES;

/** A chain of MatMul nodes over f32 initializers of 4 MiB of random bytes: 1.57 GB. */
export function writeLargeOnnx(path: string): void {
  const nodes = Array.from({ length: TENSORS }, (_, i) => P.node('MatMul', [`x${i}`, `w${i}`], [`x${i + 1}`]));
  const heads = Array.from({ length: TENSORS }, (_, i) => {
    const head = P.join(P.tensor(`w${i}`, P.CODE.f32, [1024, 1024]), P.tag(9, 2), P.varint(TENSOR_BYTES));
    return P.join(P.tag(5, 2), P.varint(head.length + TENSOR_BYTES), head);
  });
  const front = P.join(...nodes, P.input('x0'), P.output(`x${TENSORS}`));
  const graphBytes = heads.reduce((sum, head) => sum + head.length + TENSOR_BYTES, front.length);
  const block = randomFillSync(Buffer.alloc(TENSOR_BYTES));
  const fd = openSync(path, 'wx');
  writeSync(fd, P.join(P.int(1, 8), P.len(8, P.int(2, 18)), P.tag(7, 2), P.varint(graphBytes), front));
  for (const head of heads) {
    writeSync(fd, head);
    writeSync(fd, block);
  }
  closeSync(fd);
}
