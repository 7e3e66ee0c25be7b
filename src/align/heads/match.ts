/** Which head of the suspect is which, by what the rows of a head span: no matrix inside a head changes that. */
import { toPrfBytes } from '../../core/prf.ts';
import { assign, type SimilarityMatrix } from '../assignment.ts';
import { type Block, toCosine, toSpan } from './bond.ts';

/** Fixed vectors that spans are compared by. */
const LOOKS = 8;
/** A public key: nothing here may depend on a secret. */
const LOOK_KEY = new Uint8Array(32);
const LOOK_DOMAIN = 0xa2;

/** What a block's rows span, seen from the fixed vectors. */
export type Span = Float32Array;

/** Spans of blocks over the same others. */
export function toSpans(blocks: readonly Block[], width: number): Span[] {
  const others = (blocks[0]?.length ?? 0) / width;
  const bits = toPrfBytes(LOOK_KEY, { domain: LOOK_DOMAIN, index: 0 }, Math.ceil((others * LOOKS) / 8));
  const vectors = Float32Array.from({ length: others * LOOKS }, (_, at) => ((bits[at >> 3] >> (at & 7)) & 1) * 2 - 1);
  return blocks.map((block) => toSpan(block, width, vectors, LOOKS));
}

/** The partner of each of ours by the sum of the cosines over several spans each. */
export function matchSpans(ours: readonly (readonly Span[])[], theirs: readonly (readonly Span[])[]): Int32Array {
  const matrix: SimilarityMatrix = {
    rows: ours.length,
    columns: theirs.length,
    values: new Float32Array(ours.length * theirs.length),
  };
  ours.forEach((own, row) => {
    theirs.forEach((other, column) => {
      const sum = own.reduce((total, span, at) => total + toCosine(span, other[at]), 0);
      matrix.values[row * theirs.length + column] = sum;
    });
  });
  return assign(matrix);
}

export function addSpans(spans: readonly Span[]): Span {
  return spans.reduce((sum, span) => sum.map((value, at) => value + span[at]));
}
