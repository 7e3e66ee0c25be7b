/** The decoder: token ids to logits of the next token, and the gradient of all weights. */
import { multiply } from '../kernel/multiply.ts';
import { createWeight, type Parameter } from '../layers/layer.ts';
import { createRng, type Rng } from '../rng.ts';
import type { Weights } from '../spec.ts';
import { CausalAttention } from './layers/attention.ts';
import { RmsNorm } from './layers/rms-norm.ts';
import { SwiGlu } from './layers/swi-glu.ts';
import { type DecoderSpec, listDecoderShapes } from './spec.ts';

export interface Decoder {
  readonly spec: DecoderSpec;
  readonly parameters: readonly Parameter[];
  /** Logits [items · tokens, vocabulary] of ids [items, tokens]. */
  forward(ids: Uint8Array, tokens: number): Float32Array;
  /** Writes every parameter's gradient, from that of the last logits. */
  backward(gradient: Float32Array): void;
}

interface Block {
  readonly parameters: readonly Parameter[];
  forward(input: Float32Array, tokens: number): Float32Array;
  backward(gradient: Float32Array): Float32Array;
}

function add(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, at) => value + b[at]);
}

function createBlock(name: string, spec: DecoderSpec, rng: Rng): Block {
  const norms = ['input_layernorm', 'post_attention_layernorm'].map(
    (part) => new RmsNorm(`${name}.${part}`, spec.width),
  );
  const attention = new CausalAttention(`${name}.self_attn`, spec, rng);
  const feedForward = new SwiGlu(`${name}.mlp`, spec, rng);
  return {
    parameters: [norms[0], attention, norms[1], feedForward].flatMap((layer) => layer.parameters),
    forward: (input, tokens) => {
      const middle = add(input, attention.forward(norms[0].forward(input), tokens));
      return add(middle, feedForward.forward(norms[1].forward(middle)));
    },
    backward: (gradient) => {
      const middle = add(gradient, norms[1].backward(feedForward.backward(gradient)));
      return add(middle, norms[0].backward(attention.backward(middle)));
    },
  };
}

/** An untrained decoder whose start values `seed` fixes. */
export function buildDecoder(spec: DecoderSpec, seed: string): Decoder {
  const rng = createRng(`${seed}/start`);
  const { width, vocabulary } = spec;
  const start = { fanIn: width, gain: 1, rng };
  const table = createWeight('model.embed_tokens.weight', [vocabulary, width], start);
  const blocks = Array.from({ length: spec.blocks }, (_, block) => createBlock(`model.layers.${block}`, spec, rng));
  const norm = new RmsNorm('model.norm', width);
  let last: { readonly ids: Uint8Array; readonly features: Float32Array } | null = null;
  return {
    spec,
    parameters: [table, ...blocks.flatMap((block) => block.parameters), ...norm.parameters],
    forward: (ids, tokens) => {
      const embedded = new Float32Array(ids.length * width);
      for (const [at, id] of ids.entries()) {
        const row = table.values.subarray(id * width, (id + 1) * width);
        if (row.length !== width) throw new TypeError(`token id ${id} is outside the table`);
        embedded.set(row, at * width);
      }
      const features = norm.forward(
        blocks.reduce<Float32Array>((value, block) => block.forward(value, tokens), embedded),
      );
      const logits = new Float32Array(ids.length * vocabulary);
      multiply({
        a: features,
        b: table.values,
        bTransposed: true,
        out: logits,
        m: ids.length,
        n: vocabulary,
        k: width,
      });
      last = { ids, features };
      return logits;
    },
    backward: (gradient) => {
      if (last === null) throw new TypeError('backward comes after forward');
      const { ids, features } = last;
      const rows = ids.length;
      // The table makes the logits as well, so its gradient has two parts.
      multiply({ a: gradient, aTransposed: true, b: features, out: table.gradient, m: vocabulary, n: width, k: rows });
      const up = new Float32Array(rows * width);
      multiply({ a: gradient, b: table.values, out: up, m: rows, n: width, k: vocabulary });
      const embedded = blocks.reduceRight((value, block) => block.backward(value), norm.backward(up));
      for (const [at, id] of ids.entries()) {
        for (let j = 0; j < width; j += 1) table.gradient[id * width + j] += embedded[at * width + j];
      }
    },
  };
}

/** Copies of all values by the names of a checkpoint. */
export function exportDecoder({ parameters }: Decoder): Map<string, Float32Array> {
  return new Map(parameters.map(({ name, values }) => [name, values.slice()]));
}

/**
 * A decoder that holds `weights`.
 * @throws TypeError when a tensor is missing or has another length
 */
export function restoreDecoder(spec: DecoderSpec, weights: Weights): Decoder {
  const decoder = buildDecoder(spec, 'restored');
  for (const name of listDecoderShapes(spec).keys()) {
    const parameter = decoder.parameters.find((item) => item.name === name)!;
    const values = weights.get(name);
    if (values?.length !== parameter.values.length) {
      throw new TypeError(`weights need ${parameter.values.length} values for ${name}`);
    }
    parameter.values.set(values);
  }
  return decoder;
}
