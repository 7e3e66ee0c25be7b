/** Layers that exporters write as several nodes: GELU, self-attention, patches, positions. */
import type { GraphNode } from '../../model/types.ts';
import type { AttentionSpec, LayerSpec } from '../spec.ts';
import { readDense } from './layers.ts';
import { findIntegers, findNumber, findTensor, type Reader, takeTensor, toIntegers } from './reader.ts';

/** A layer, and the value that goes into it. */
export interface Found {
  readonly layer: LayerSpec;
  readonly input: string;
}

type Maker = (value: string | undefined, op: string) => GraphNode | undefined;

/** The node that makes a value, when it is of the operator. */
function toMaker({ producers }: Reader): Maker {
  return (value, op) => {
    const node = value === undefined ? undefined : producers.get(value);
    return node?.op === op ? node : undefined;
  };
}

const isNear = (value: number | undefined, wanted: number): boolean =>
  value !== undefined && Math.abs(value - wanted) <= 1e-5 * Math.abs(wanted);

/** The computed input of a node whose other input is the number `wanted`. */
function findBeside(reader: Reader, node: GraphNode | undefined, wanted: number): string | undefined {
  const at = node?.inputs.findIndex((input) => isNear(findNumber(reader, input), wanted)) ?? -1;
  return node === undefined || at < 0 ? undefined : node.inputs[1 - at];
}

/** 0.5 · x · (1 + erf(x / √2)) in any order of the products. */
export function findGelu(reader: Reader, node: GraphNode): Found | undefined {
  const maker = toMaker(reader);
  if (node.op !== 'Mul') return undefined;
  const factors = collectFactors(reader, node);
  const raised = factors.find((value) => findBeside(reader, maker(value, 'Add'), 1) !== undefined);
  const halves = factors.filter((value) => isNear(findNumber(reader, value), 0.5));
  const inputs = factors.filter((value) => value !== raised && findNumber(reader, value) === undefined);
  if (raised === undefined || halves.length !== 1 || inputs.length !== 1) return undefined;
  const erf = maker(findBeside(reader, maker(raised, 'Add'), 1), 'Erf');
  const scaled = erf === undefined ? undefined : reader.producers.get(erf.inputs[0]);
  const bar = scaled?.op === 'Div' ? Math.SQRT2 : Math.SQRT1_2;
  if (findBeside(reader, scaled, bar) !== inputs[0]) return undefined;
  return { layer: { kind: 'gelu' }, input: inputs[0] };
}

/** What a tree of products that nothing else reads multiplies. */
function collectFactors(reader: Reader, node: GraphNode): string[] {
  return node.inputs.flatMap((input) => {
    const maker = reader.producers.get(input);
    return maker?.op === 'Mul' && reader.uses.get(input) === 1 ? collectFactors(reader, maker) : [input];
  });
}

interface Projection {
  readonly node: GraphNode;
  readonly bias: string;
  readonly input: string;
}

/** A MatMul with a constant matrix, and the bias added behind it. */
function findProjection(reader: Reader, value: string | undefined): Projection | undefined {
  const maker = toMaker(reader);
  const add = maker(value, 'Add');
  const at = add?.inputs.findIndex((input) => findTensor(reader, input) !== undefined) ?? -1;
  if (add === undefined || at < 0) return undefined;
  const node = maker(add.inputs[1 - at], 'MatMul');
  if (node === undefined || findTensor(reader, node.inputs[1])?.shape.length !== 2) return undefined;
  return { node, bias: add.inputs[at], input: node.inputs[0] };
}

/** A projection cut into heads: Reshape to [batch, tokens, heads, width], then Transpose by `order`. */
function findHeads(
  reader: Reader,
  value: string | undefined,
  order: string,
): { readonly projection: Projection; readonly sizes: readonly number[] } | undefined {
  const maker = toMaker(reader);
  const turned = maker(value, 'Transpose');
  const cut = maker(turned?.inputs[0], 'Reshape');
  const sizes = findIntegers(reader, cut?.inputs[1]);
  const projection = findProjection(reader, cut?.inputs[0]);
  const isTurned = turned !== undefined && toIntegers(turned, 'perm')?.join() === order;
  return isTurned && sizes?.length === 4 && projection !== undefined ? { projection, sizes } : undefined;
}

/** Multi-head self-attention without mask: the output projection leads back to one input. */
export function findAttention(reader: Reader, add: GraphNode): Found | undefined {
  const maker = toMaker(reader);
  const out = findProjection(reader, add.outputs[0]);
  const ordered = maker(maker(out?.input, 'Reshape')?.inputs[0], 'Transpose');
  const mixed = maker(ordered?.inputs[0], 'MatMul');
  const softmax = maker(mixed?.inputs[0], 'Softmax');
  const value = findHeads(reader, mixed?.inputs[1], '0,2,1,3');
  if (out === undefined || softmax === undefined || value === undefined) return undefined;
  const [, tokens, heads, headWidth] = value.sizes;
  const scores = maker(findBeside(reader, maker(softmax.inputs[0], 'Mul'), 1 / Math.sqrt(headWidth)), 'MatMul');
  const query = findHeads(reader, scores?.inputs[0], '0,2,1,3');
  const key = findHeads(reader, scores?.inputs[1], '0,2,3,1');
  const input = value.projection.input;
  if (query?.projection.input !== input || key?.projection.input !== input || tokens < 1) return undefined;
  const name = reader.nextName('attention');
  const layer: AttentionSpec = { kind: 'attention', name, width: heads * headWidth, heads, tokens };
  const parts = { query: query.projection, key: key.projection, value: value.projection, out };
  for (const [part, projection] of Object.entries(parts)) takeProjection(reader, `${name}.${part}`, projection);
  return { layer, input };
}

function takeProjection(reader: Reader, name: string, { node, bias }: Projection): void {
  takeTensor(reader, `${name}.weight`, findTensor(reader, node.inputs[1])!);
  takeTensor(reader, `${name}.bias`, findTensor(reader, bias)!);
}

/** Images cut into square patches: Reshape, Transpose, Reshape. */
export function findPatches(reader: Reader, node: GraphNode): Found | undefined {
  const maker = toMaker(reader);
  const tokens = findIntegers(reader, node.inputs[1]);
  const turned = maker(node.inputs[0], 'Transpose');
  const cut = maker(turned?.inputs[0], 'Reshape');
  const grid = findIntegers(reader, cut?.inputs[1]);
  const isTurned = turned !== undefined && toIntegers(turned, 'perm')?.join() === '0,1,3,2,4';
  if (cut === undefined || !isTurned || grid?.length !== 5 || tokens?.length !== 3) return undefined;
  const [, rows, size, columns, width] = grid;
  if (rows !== columns || size !== width || tokens[1] !== rows * rows || tokens[2] !== size * size) return undefined;
  return { layer: { kind: 'patches', side: rows * size, size }, input: cut.inputs[0] };
}

/** A learned table added to the tokens: as it is, or looked up by ascending ids. */
export function findPosition(reader: Reader, add: GraphNode): Found | undefined {
  const maker = toMaker(reader);
  for (const [at, input] of add.inputs.entries()) {
    const gather = maker(input, 'Gather');
    const ids = gather === undefined ? undefined : findIntegers(reader, gather.inputs[1]);
    const isAscending = ids?.every((id, index) => id === index) === true;
    const table =
      gather === undefined ? findTensor(reader, input) : findTensor(reader, isAscending ? gather.inputs[0] : '');
    const [tokens = 0, width = 0] = table?.shape.slice(-2) ?? [];
    const isWhole =
      table !== undefined && table.shape.length >= 2 && tokens * width === table.elementCount && tokens > 1;
    if (!isWhole || (ids !== undefined && ids.length !== tokens)) continue;
    const name = reader.nextName('position');
    takeTensor(reader, `${name}.weight`, table);
    return { layer: { kind: 'position', name, tokens, width }, input: add.inputs[1 - at] };
  }
  return undefined;
}

/** A matrix with its bias behind it, read from the Add. */
export function findBiasedDense(reader: Reader, add: GraphNode): Found | undefined {
  const projection = findProjection(reader, add.outputs[0]);
  if (projection === undefined) return undefined;
  const layer = readDense(reader, projection.node, findTensor(reader, projection.bias)!);
  return { layer, input: projection.input };
}
