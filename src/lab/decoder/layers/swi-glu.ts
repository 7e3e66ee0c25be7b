/** Gated feed-forward block: down(silu(gate x) · up x) (Shazeer 2020). */
import type { Parameter } from '../../layers/layer.ts';
import type { Rng } from '../../rng.ts';
import { nothing, reuse } from '../../tensor.ts';
import { Linear } from './linear.ts';

export class SwiGlu {
  readonly parameters: readonly Parameter[];
  readonly #gate: Linear;
  readonly #up: Linear;
  readonly #down: Linear;
  #gates = nothing;
  #ups = nothing;
  #hidden = nothing;

  constructor(name: string, { width, inner }: { readonly width: number; readonly inner: number }, rng: Rng) {
    this.#gate = new Linear(`${name}.gate_proj`, [inner, width], rng);
    this.#up = new Linear(`${name}.up_proj`, [inner, width], rng);
    this.#down = new Linear(`${name}.down_proj`, [width, inner], rng);
    this.parameters = [this.#gate, this.#up, this.#down].flatMap((linear) => linear.parameters);
  }

  forward(input: Float32Array): Float32Array {
    this.#gates = this.#gate.forward(input);
    this.#ups = this.#up.forward(input);
    this.#hidden = reuse(this.#hidden, this.#ups.length);
    for (let at = 0; at < this.#hidden.length; at += 1) {
      const gate = this.#gates[at];
      this.#hidden[at] = (gate / (1 + Math.exp(-gate))) * this.#ups[at];
    }
    return this.#down.forward(this.#hidden);
  }

  backward(gradient: Float32Array): Float32Array {
    const hidden = this.#down.backward(gradient);
    const [dGate, dUp] = [new Float32Array(hidden.length), new Float32Array(hidden.length)];
    for (let at = 0; at < hidden.length; at += 1) {
      const gate = this.#gates[at];
      const share = 1 / (1 + Math.exp(-gate));
      dUp[at] = hidden[at] * gate * share;
      dGate[at] = hidden[at] * this.#ups[at] * share * (1 + gate * (1 - share));
    }
    const sum = this.#gate.backward(dGate).slice();
    const path = this.#up.backward(dUp);
    for (let at = 0; at < sum.length; at += 1) sum[at] += path[at];
    return sum;
  }
}
