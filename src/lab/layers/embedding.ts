/** Rows of a learned table: by token id, and by position. */
import type { Rng } from '../rng.ts';
import type { EmbeddingSpec, PositionSpec } from '../spec.ts';
import { nothing, reuse, type Tensor } from '../tensor.ts';
import { createWeight, type Layer, type Parameter } from './layer.ts';

/** [batch, tokens] ids, held as floats, to [batch, tokens, width]. Ids outside the table are a caller's mistake. */
export class Embedding implements Layer {
  readonly parameters: readonly Parameter[];
  readonly statistics = [];
  readonly #table: Parameter;
  readonly #width: number;
  #ids: Tensor = { data: nothing, shape: [] };
  #output = nothing;

  constructor({ name, vocabulary, width }: EmbeddingSpec, rng: Rng) {
    this.#width = width;
    this.#table = createWeight(`${name}.weight`, [vocabulary, width], { fanIn: width, gain: 1, rng });
    this.parameters = [this.#table];
  }

  forward(input: Tensor): Tensor {
    const width = this.#width;
    const table = this.#table.values;
    const out = reuse(this.#output, input.data.length * width);
    for (const [index, id] of input.data.entries()) {
      const row = table.subarray(id * width, (id + 1) * width);
      if (row.length !== width) throw new TypeError(`token id ${id} is outside the table`);
      out.set(row, index * width);
    }
    this.#ids = input;
    this.#output = out;
    return { data: out, shape: [...input.shape, width] };
  }

  backward(gradient: Tensor): Tensor {
    const width = this.#width;
    const sums = this.#table.gradient;
    sums.fill(0);
    for (const [index, id] of this.#ids.data.entries()) {
      for (let j = 0; j < width; j += 1) sums[id * width + j] += gradient.data[index * width + j];
    }
    // Ids have no gradient.
    return { data: new Float32Array(this.#ids.data.length), shape: this.#ids.shape };
  }
}

/** Adds the table's row t to token t: an embedding whose ids are 0, 1, … for every item. */
export class Position implements Layer {
  readonly parameters: readonly Parameter[];
  readonly statistics = [];
  readonly #table: Parameter;
  #output = nothing;

  constructor({ name, tokens, width }: PositionSpec, rng: Rng) {
    this.#table = createWeight(`${name}.weight`, [tokens, width], { fanIn: width, gain: 1, rng });
    this.parameters = [this.#table];
  }

  forward(input: Tensor): Tensor {
    const { data, shape } = input;
    const table = this.#table.values;
    const out = reuse(this.#output, data.length);
    for (let at = 0; at < data.length; ) {
      for (let j = 0; j < table.length; j += 1, at += 1) out[at] = data[at] + table[j];
    }
    this.#output = out;
    return { data: out, shape };
  }

  backward(gradient: Tensor): Tensor {
    const sums = this.#table.gradient;
    sums.fill(0);
    for (let at = 0; at < gradient.data.length; ) {
      for (let j = 0; j < sums.length; j += 1, at += 1) sums[j] += gradient.data[at];
    }
    return gradient;
  }
}
