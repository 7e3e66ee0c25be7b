/** All weight rules, in one pass over every tensor. */
import type { Progress } from '../../../core/ports.ts';
import { DTYPES } from '../../../model/dtype.ts';
import type { Model, TensorRef } from '../../../model/types.ts';
import type { ScanFinding, ScannedPart } from '../finding.ts';
import { findText } from '../text.ts';
import { LowBits } from './low-bits.ts';
import { eachChunk, isNumeric } from './reader.ts';
import { Repeats } from './repeats.ts';
import { findSignature } from './signatures.ts';
import { Values } from './values.ts';

export interface WeightScan {
  readonly findings: readonly ScanFinding[];
  readonly scanned: readonly ScannedPart[];
  readonly notScanned: readonly ScannedPart[];
}

/** @throws FormatError | SourceError */
export function scanWeights(model: Model, progress: Progress): WeightScan {
  const bytes = model.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  progress.step('scanning weights', bytes, 'bytes');
  const repeats = new Repeats();
  const findings: ScanFinding[] = [];
  const opaque: string[] = [];
  for (const tensor of model.tensors) {
    findings.push(...scanTensor(tensor, repeats));
    if (DTYPES[tensor.dtype].kind === 'block' && !isNumeric(tensor)) opaque.push(tensor.name);
    progress.advance(tensor.byteLength);
  }
  progress.done();
  const notScanned = [
    ...(opaque.length === 0
      ? []
      : [
          {
            part: 'weights',
            detail: `${opaque.length} tensors of block types that are not decoded, such as ${opaque[0]}`,
          },
        ]),
  ];
  const part = repeats.stride === 1 ? '' : `; of blocks that may repeat, one of ${repeats.stride}`;
  const detail = `${model.tensors.length} tensors, ${bytes} bytes${part}`;
  return { findings: [...findings, ...repeats.judge()], scanned: [{ part: 'weights', detail }], notScanned };
}

/** Bytes at the start of an integer tensor in which text is looked for. */
const TEXT_HEAD = 256 * 1024;

function scanTensor(tensor: TensorRef, repeats: Repeats): ScanFinding[] {
  const { dtype, name } = tensor;
  const findings: ScanFinding[] = [];
  const values = isNumeric(tensor) ? new Values(tensor) : null;
  const lowBits = dtype === 'f32' ? new LowBits() : null;
  let isFirst = true;
  for (const chunk of eachChunk(tensor)) {
    if (isFirst) findings.push(...scanHead(tensor, chunk.bytes));
    isFirst = false;
    if (chunk.values !== null) {
      const codes = new Uint32Array(chunk.values.buffer, chunk.values.byteOffset, chunk.values.length);
      values?.add(chunk.index, chunk.values, codes);
      lowBits?.add(codes);
    }
    repeats.add(name, chunk.bytes);
  }
  const low = lowBits?.judge(tensor) ?? null;
  const hidden = lowBits === null ? null : findSignature(lowBits.head, `the low bytes of tensor "${name}"`, name);
  findings.push(...(values?.judge() ?? []), ...[low, hidden].filter((finding) => finding !== null));
  return findings;
}

function scanHead({ name, dtype }: TensorRef, bytes: Uint8Array): ScanFinding[] {
  const file = findSignature(bytes, `tensor "${name}"`, name);
  const isBytes = dtype === 'u8' || dtype === 'i8' || dtype === 'string';
  const text = isBytes
    ? findText(Buffer.from(bytes.subarray(0, TEXT_HEAD)).toString('latin1'), null, name).map(
        (finding): ScanFinding => ({ ...finding, kind: 'tensor' }),
      )
    : [];
  return file === null ? text : [file, ...text];
}
