/** Writes the decoder as exporters write one: an ONNX graph of standard operators, and a checkpoint with Llama's names. */
import { type ExportGraph, GraphBuilder, int, ints } from '../export/graph.ts';
import { encodeOnnx } from '../export/onnx.ts';
import { encodeSafetensors } from '../export/safetensors.ts';
import type { Weights } from '../spec.ts';
import { createRotaryTable } from './layers/rotary.ts';
import { type DecoderSpec, listDecoderShapes, RMS_EPSILON } from './spec.ts';

/** Added to the scores of later words: after softmax nothing is left of them. */
const MASKED = -1e9;

interface Context {
  readonly spec: DecoderSpec;
  readonly graph: GraphBuilder;
  readonly weight: (name: string) => string;
  /** Cosines and sines [tokens, headWidth] and the mask [tokens, tokens], cut to the length of the input. */
  readonly cosines: string;
  readonly sines: string;
  readonly mask: string;
}

/** x · Wᵀ, with the matrix stored as [out, in]. */
function writeLinear(name: string, input: string, { graph, weight }: Context): string {
  return graph.node('MatMul', [input, graph.node('Transpose', [weight(`${name}.weight`)], { perm: ints(1, 0) })]);
}

function writeNorm(name: string, input: string, { graph, weight }: Context): string {
  const squares = graph.node('Pow', [input, graph.scalar('norm.two', 2)]);
  const mean = graph.node('ReduceMean', [squares], { axes: ints(-1), keepdims: int(1) });
  const root = graph.node('Sqrt', [graph.node('Add', [mean, graph.scalar('norm.epsilon', RMS_EPSILON)])]);
  return graph.node('Mul', [weight(`${name}.weight`), graph.node('Div', [input, root])]);
}

/** x · cos + (-x₂, x₁) · sin on the halves of each head. */
function writeRotary(input: string, { graph, spec, cosines, sines }: Context): string {
  const half = spec.headWidth / 2;
  const cut = (from: number, to: number): string => {
    const [starts, ends] = [graph.integers(`rotary.${from}`, [from]), graph.integers(`rotary.${to}`, [to])];
    return graph.node('Slice', [input, starts, ends, graph.integers('rotary.axis', [3])]);
  };
  const turned = graph.node('Concat', [graph.node('Neg', [cut(half, 2 * half)]), cut(0, half)], { axis: int(-1) });
  return graph.node('Add', [graph.node('Mul', [input, cosines]), graph.node('Mul', [turned, sines])]);
}

/** [batch, keyHeads, tokens, headWidth] to [batch, heads, tokens, headWidth]: each key head serves several query heads. */
function repeatHeads(input: string, { graph, spec }: Context): string {
  const { heads, keyHeads, headWidth } = spec;
  const apart = graph.node('Unsqueeze', [input, graph.integers('repeat.axis', [2])]);
  const shape = graph.integers('repeat.times', [1, 1, heads / keyHeads, 1, 1]);
  const whole = graph.integers('repeat.join', [0, heads, -1, headWidth]);
  return graph.node('Reshape', [graph.node('Expand', [apart, shape]), whole]);
}

function writeAttention(name: string, input: string, context: Context): string {
  const { graph, spec } = context;
  const { heads, keyHeads, headWidth } = spec;
  const project = (part: string, count: number): string => {
    const shape = graph.integers(`heads.${count}`, [0, 0, count, headWidth]);
    const packed = writeLinear(`${name}.${part}_proj`, input, context);
    return graph.node('Transpose', [graph.node('Reshape', [packed, shape])], { perm: ints(0, 2, 1, 3) });
  };
  const query = writeRotary(project('q', heads), context);
  const key = repeatHeads(writeRotary(project('k', keyHeads), context), context);
  const value = repeatHeads(project('v', keyHeads), context);
  const scores = graph.node('MatMul', [query, graph.node('Transpose', [key], { perm: ints(0, 1, 3, 2) })]);
  const scaled = graph.node('Mul', [scores, graph.scalar('heads.scale', 1 / Math.sqrt(headWidth))]);
  const weights = graph.node('Softmax', [graph.node('Add', [scaled, context.mask])], { axis: int(-1) });
  const mixed = graph.node('Transpose', [graph.node('MatMul', [weights, value])], { perm: ints(0, 2, 1, 3) });
  const merged = graph.node('Reshape', [mixed, graph.integers('heads.merge', [0, 0, heads * headWidth])]);
  return writeLinear(`${name}.o_proj`, merged, context);
}

function writeFeedForward(name: string, input: string, context: Context): string {
  const { graph } = context;
  const gate = writeLinear(`${name}.gate_proj`, input, context);
  const open = graph.node('Mul', [gate, graph.node('Sigmoid', [gate])]);
  return writeLinear(
    `${name}.down_proj`,
    graph.node('Mul', [open, writeLinear(`${name}.up_proj`, input, context)]),
    context,
  );
}

function writeBlock(name: string, input: string, context: Context): string {
  const { graph } = context;
  const attended = writeAttention(`${name}.self_attn`, writeNorm(`${name}.input_layernorm`, input, context), context);
  const middle = graph.node('Add', [input, attended]);
  const norm = writeNorm(`${name}.post_attention_layernorm`, middle, context);
  return graph.node('Add', [middle, writeFeedForward(`${name}.mlp`, norm, context)]);
}

/** Tables for `tokensMax` words, cut to as many as the input has. */
function createContext(spec: DecoderSpec, graph: GraphBuilder, weight: Context['weight']): Context {
  const { tokensMax, headWidth } = spec;
  const { cosines, sines, half } = createRotaryTable(tokensMax, headWidth);
  const twice = (table: Float32Array): Float32Array =>
    Float32Array.from(
      { length: tokensMax * headWidth },
      (_, at) => table[Math.floor(at / headWidth) * half + (at % half)],
    );
  const mask = Float32Array.from({ length: tokensMax * tokensMax }, (_, at) =>
    at % tokensMax > Math.floor(at / tokensMax) ? MASKED : 0,
  );
  const tokens = graph.node('Shape', ['input_ids'], { start: int(1), end: int(2) });
  const [zero, first] = [graph.integers('cut.from', [0]), graph.integers('cut.axis', [0])];
  const cut = (name: string, width: number, values: Float32Array): string =>
    graph.node('Slice', [graph.tensor(name, [tokensMax, width], values), zero, tokens, first]);
  const rows = cut('causal.mask', tokensMax, mask);
  return {
    ...{ spec, graph, weight },
    cosines: cut('rotary.cos', headWidth, twice(cosines)),
    sines: cut('rotary.sin', headWidth, twice(sines)),
    mask: graph.node('Slice', [rows, zero, tokens, graph.integers('cut.columns', [1])]),
  };
}

function toGraph(spec: DecoderSpec, weights: Weights): ExportGraph {
  const graph = new GraphBuilder();
  const shapes = listDecoderShapes(spec);
  const weight = (name: string): string => graph.tensor(name, shapes.get(name)!, findValues(weights, name));
  const context = createContext(spec, graph, weight);
  const embedded = graph.node('Gather', [weight('model.embed_tokens.weight'), 'input_ids'], { axis: int(0) });
  const names = Array.from({ length: spec.blocks }, (_, block) => `model.layers.${block}`);
  const last = names.reduce((value, name) => writeBlock(name, value, context), embedded);
  writeLinear('model.embed_tokens', writeNorm('model.norm', last, context), context);
  graph.nameOutput('logits');
  return {
    name: spec.name,
    input: { name: 'input_ids', shape: ['batch', 'tokens'], isInteger: true },
    output: { name: 'logits', shape: ['batch', 'tokens', spec.vocabulary] },
    nodes: graph.nodes,
    initializers: graph.initializers,
  };
}

function findValues(weights: Weights, name: string): Float32Array {
  const values = weights.get(name);
  if (values === undefined) throw new TypeError(`weights need ${name}`);
  return values;
}

/**
 * The bytes of an .onnx file: "input_ids", int64 [batch, tokens] with at most `tokensMax` tokens, to "logits", float32
 * [batch, tokens, vocabulary].
 * @throws TypeError when a tensor is missing
 */
export function toDecoderOnnx(spec: DecoderSpec, weights: Weights): Uint8Array {
  return encodeOnnx(toGraph(spec, weights));
}

/**
 * The bytes of a .safetensors checkpoint in float32, with the tied table once, as `model.embed_tokens.weight`.
 * @throws TypeError when a tensor is missing
 */
export function toDecoderCheckpoint(spec: DecoderSpec, weights: Weights): Uint8Array {
  const shapes = [...listDecoderShapes(spec)];
  return encodeSafetensors(shapes.map(([name, shape]) => ({ name, shape, values: findValues(weights, name) })));
}
