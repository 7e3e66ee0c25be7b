/** Several requests in one run: inputs are joined along the first axis, outputs cut apart again. */
import type { RuntimeTensor } from '../../model/runtime.ts';
import type { ModelSignature, NamedTensor } from '../ports.ts';

/** Rows of one request: the first axis of its inputs; 1 for a model whose first axis is no batch. */
export function findRows(inputs: readonly NamedTensor[], isBatched: boolean): number {
  return isBatched ? (inputs[0]?.shape[0] ?? 1) : 1;
}

/** Whether every input and output has a first axis of any length: what a batch needs, and no proof that it is one. */
export function hasBatchAxis({ inputs, outputs }: ModelSignature): boolean {
  const all = [...inputs, ...outputs];
  return inputs.length > 0 && outputs.length > 0 && all.every(({ shape }) => shape.length > 0 && shape[0] === null);
}

/** Whether two requests can share a run: the same inputs, alike in all but the first axis. */
export function isAlike(a: readonly NamedTensor[], b: readonly NamedTensor[]): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) {
    const [one, other] = [a[at], b[at]];
    if (one.name !== other.name || one.dtype !== other.dtype || one.shape.length !== other.shape.length) return false;
    for (let axis = 1; axis < one.shape.length; axis++) if (one.shape[axis] !== other.shape[axis]) return false;
  }
  return true;
}

/** Feeds of one run. Requests must be alike, and not empty; their bytes are copied when there is more than one. */
export function joinInputs(requests: readonly (readonly NamedTensor[])[]): ReadonlyMap<string, RuntimeTensor> {
  const [first] = requests;
  if (requests.length === 1) return new Map(first.map((tensor) => [tensor.name, tensor]));
  const feeds = new Map<string, RuntimeTensor>();
  for (let input = 0; input < first.length; input++) {
    let [rows, bytes] = [0, 0];
    for (const request of requests) {
      rows += request[input].shape[0];
      bytes += request[input].data.length;
    }
    const data = new Uint8Array(bytes);
    let at = 0;
    for (const request of requests) {
      data.set(request[input].data, at);
      at += request[input].data.length;
    }
    const { name, dtype, shape } = first[input];
    feeds.set(name, { dtype, shape: [rows, ...shape.slice(1)], data });
  }
  return feeds;
}

/**
 * The outputs of each request, as views of the run's own.
 * @param rows of each request, in the order in which they were joined
 * @returns null when an output does not have as many rows as went in: then it is no batch
 */
export function splitOutputs(
  outputs: ReadonlyMap<string, RuntimeTensor>,
  rows: readonly number[],
): readonly (readonly NamedTensor[])[] | null {
  const total = rows.reduce((sum, count) => sum + count, 0);
  const cutters = Array.from(outputs, ([name, tensor]) => createCutter(name, tensor, total));
  if (cutters.some(({ isBatch }) => !isBatch)) return null;
  let start = 0;
  return rows.map((count) => {
    const first = start;
    start += count;
    return cutters.map(({ cut }) => cut(first, count));
  });
}

/** Requests of as many rows share the shape: memory for each of them costs more than the cut. */
function createCutter(
  name: string,
  { dtype, shape, data: { buffer, byteOffset, length } }: RuntimeTensor,
  total: number,
) {
  const rowBytes = length / total;
  let own = shape;
  const cut = (first: number, count: number): NamedTensor => {
    if (own[0] !== count) own = [count, ...shape.slice(1)];
    const data = new Uint8Array(buffer, byteOffset + first * rowBytes, count * rowBytes);
    return { name, dtype, shape: own, data };
  };
  return { isBatch: shape[0] === total, cut };
}

/** The outputs of a run that served one request. */
export function toNamed(outputs: ReadonlyMap<string, RuntimeTensor>): readonly NamedTensor[] {
  return Array.from(outputs, ([name, tensor]) => ({ name, ...tensor }));
}
