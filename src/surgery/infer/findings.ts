/** What inference finds wrong with a graph: types and shapes that contradict each other. Never an exception. */
import { SURGERY_LIMITS } from '../../core/limits/surgery.ts';

const rows = {
  broadcast: 'The shapes of the inputs cannot be broadcast to one.',
  rank: 'An input has another number of dimensions than the operator takes.',
  dimension: 'Two dimensions that must be equal are not.',
  axis: 'An axis lies outside the rank.',
  elements: 'A reshape gives another number of elements.',
  dtype: 'Inputs that must have one element type have two.',
  declared: 'The file declares another type or shape than its nodes give.',
  subgraph: 'A subgraph gives other types than its node takes.',
  budget: 'The graph is too large to be inferred as a whole; what was not reached is unknown.',
} as const;

export type FindingId = keyof typeof rows;

/** Message by rule. */
export const INFER_FINDINGS: Readonly<Record<FindingId, string>> = Object.freeze(
  Object.assign(Object.create(null) as Record<FindingId, string>, rows),
);

export interface InferFinding {
  readonly rule: FindingId;
  /** Path of the scope; "" for the main graph. */
  readonly scope: string;
  /** Name of the node, or its first output when it has none; "" when no node is at fault. */
  readonly node: string;
  readonly detail: string;
}

/** Collects findings, each once, up to a cap; the count goes on. */
export class FindingList {
  readonly #items = new Map<string, InferFinding>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  toArray(): readonly InferFinding[] {
    return [...this.#items.values()];
  }

  add(finding: InferFinding): void {
    const key = JSON.stringify(Object.values(finding));
    if (this.#items.has(key)) return;
    this.#count++;
    if (this.#items.size < SURGERY_LIMITS.problemsMax) this.#items.set(key, finding);
  }
}
