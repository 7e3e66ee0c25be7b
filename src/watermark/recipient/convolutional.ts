/** A zero-terminated convolutional code, constraint length 7, rate 1/3 (docs/spec/recipient-code.md §6.2). */

/** Generators 133, 145 and 175 (octal); the newest bit is the highest. */
const GENERATORS = [0o133, 0o145, 0o175] as const;
const MEMORY = 6;
const STATES = 2 ** MEMORY;

/** Output bits per input bit, and zeros that bring the encoder back to its first state. */
const RATE = GENERATORS.length;
const TAIL_BITS = MEMORY;

/** Outputs of each state and input bit as +1 (bit 1) or -1 (bit 0): [state, input, generator]. */
const OUTPUTS = Int8Array.from({ length: STATES * 2 * RATE }, (_, i) => {
  const register = (((Math.floor(i / RATE) & 1) << MEMORY) | Math.floor(i / (2 * RATE))) & GENERATORS[i % RATE];
  return toParity(register) === 1 ? 1 : -1;
});

function toParity(value: number): number {
  let parity = 0;
  for (let rest = value; rest !== 0; rest &= rest - 1) parity ^= 1;
  return parity;
}

/** Length of the code word of `count` bits. */
export function toCodeLength(count: number): number {
  return (count + TAIL_BITS) * RATE;
}

/**
 * Code word of `bits`, each output bit as +1 (1) or -1 (0).
 * @param bits 0 or 1 each
 * @see S. Lin and D. J. Costello, "Error Control Coding", 2nd ed., §11.1 and table 12.1 (rate 1/3, memory 6, free distance 15)
 */
export function encodeConvolutional(bits: Uint8Array): Int8Array {
  const word = new Int8Array(toCodeLength(bits.length));
  let state = 0;
  for (let at = 0; at < bits.length + TAIL_BITS; at++) {
    const bit = bits[at] ?? 0;
    const from = (state * 2 + bit) * RATE;
    for (let k = 0; k < RATE; k++) word[at * RATE + k] = OUTPUTS[from + k];
    state = (state >> 1) | (bit << (MEMORY - 1));
  }
  return word;
}

/**
 * The bits whose code word has the largest sum of products with `values`: maximum likelihood under equal Gaussian noise.
 * @param values one number per output bit, positive for 1; 0 says nothing
 * @see A. J. Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding algorithm", IEEE
 * Trans. Inf. Theory 13 (1967)
 */
export function decodeConvolutional(values: Float64Array): Uint8Array {
  const steps = values.length / RATE;
  if (!Number.isInteger(steps) || steps <= TAIL_BITS) throw new TypeError('values must be those of a whole code word');
  // The lowest bit of the state that each state was reached from.
  const lost = new Uint8Array(steps * STATES);
  let scores = new Float64Array(STATES).fill(Number.NEGATIVE_INFINITY);
  scores[0] = 0;
  for (let at = 0; at < steps; at++)
    scores = advance(
      scores,
      values.subarray(at * RATE, (at + 1) * RATE),
      at >= steps - TAIL_BITS,
      lost.subarray(at * STATES, (at + 1) * STATES),
    );
  const bits = new Uint8Array(steps - TAIL_BITS);
  let state = 0;
  for (let at = steps - 1; at >= 0; at--) {
    if (at < bits.length) bits[at] = state >> (MEMORY - 1);
    state = ((state << 1) & (STATES - 1)) | lost[at * STATES + state];
  }
  return bits;
}

/** Scores of all states after one more bit, which is 0 in the tail. */
function advance(
  scores: Float64Array,
  values: Float64Array,
  isTail: boolean,
  lost: Uint8Array,
): Float64Array<ArrayBuffer> {
  const next = new Float64Array(STATES).fill(Number.NEGATIVE_INFINITY);
  for (let state = 0; state < STATES; state++) {
    if (scores[state] === Number.NEGATIVE_INFINITY) continue;
    for (let bit = 0; bit <= (isTail ? 0 : 1); bit++) {
      const from = (state * 2 + bit) * RATE;
      let score = scores[state];
      for (let k = 0; k < RATE; k++) score += values[k] * OUTPUTS[from + k];
      const to = (state >> 1) | (bit << (MEMORY - 1));
      if (score > next[to]) {
        next[to] = score;
        lost[to] = state & 1;
      }
    }
  }
  return next;
}
