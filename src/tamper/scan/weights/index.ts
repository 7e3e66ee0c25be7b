/** All weight rules, in one pass over every tensor. */
import { createHash } from 'node:crypto';
import { SCAN_LIMITS } from '../../../core/limits/scan.ts';
import type { Progress } from '../../../core/ports.ts';
import { DTYPES } from '../../../model/dtype.ts';
import type { Model, TensorRef } from '../../../model/types.ts';
import type { ScanFinding, ScannedPart } from '../finding.ts';
import { findText } from '../text.ts';
import { LowBits } from './low-bits.ts';
import { eachChunk, isNumeric } from './reader.ts';
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
    ...(repeats.isFull ? [{ part: 'weights', detail: 'repeated blocks beyond the first GiB' }] : []),
  ];
  const detail = `${model.tensors.length} tensors, ${bytes} bytes`;
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
    repeats.add(tensor, chunk.bytes);
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

const BLOCK_BYTES = 4096;

/** Rule W05. */
class Repeats {
  /** Name of the tensor that a digest was first seen in. */
  readonly #seen = new Map<string, string>();
  readonly #found = new Map<string, number>();
  isFull = false;

  add(tensor: TensorRef, bytes: Uint8Array): void {
    for (let at = 0; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) {
      const block = bytes.subarray(at, at + BLOCK_BYTES);
      if (isPlain(block)) continue;
      const key = createHash('sha256').update(block).digest('base64').slice(0, 22);
      const known = this.#seen.get(key);
      if (known !== undefined) {
        const pair = JSON.stringify([known, tensor.name]);
        this.#found.set(pair, (this.#found.get(pair) ?? 0) + 1);
      } else if (this.#seen.size < SCAN_LIMITS.repeatBlocksMax) this.#seen.set(key, tensor.name);
      else this.isFull = true;
    }
  }

  judge(): ScanFinding[] {
    return [...this.#found].map(([pair, count]): ScanFinding => {
      const [first, second] = JSON.parse(pair) as [string, string];
      // Tied layers repeat from tensor to tensor; inside one, only a copy does.
      const isInside = first === second;
      const where = isInside ? `inside tensor "${first}"` : `of tensor "${first}" in "${second}"`;
      const message = `${count} blocks of 4 KiB ${where} occur again.`;
      const severity = isInside && count >= 4 ? 'suspicious' : 'benign';
      return { rule: 'W05', severity, message, subject: second, kind: 'tensor', path: [], offset: null };
    });
  }
}

/** Fillers and short patterns repeat without a reason: blocks of at most eight different bytes, or of period eight. */
function isPlain(block: Uint8Array): boolean {
  const values = new Set<number>();
  let isPeriodic = true;
  for (let i = 0; i < block.length; i++) {
    if (values.size <= 16) values.add(block[i]);
    if (isPeriodic && i >= 8) isPeriodic = block[i] === block[i - 8];
    if (!isPeriodic && values.size > 16) return false;
  }
  return true;
}
