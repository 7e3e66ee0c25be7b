/** Names for what an edit adds: from a base and a counter, so that replays agree, and free in every scope of the model. */
import type { Scope } from './scope.ts';

export class Names {
  /** All names that were ever seen in the draft; a removed one is not given again. */
  readonly #taken = new Set<string>();
  readonly #next = new Map<string, number>();
  #roots: (() => Iterable<Scope>) | null;

  /** @param roots scopes whose names are taken; looked at when the first name is asked for */
  constructor(roots: () => Iterable<Scope>) {
    this.#roots = roots;
  }

  /** `base`, or with "_2", "_3", … when it is taken. It is taken from then on. */
  fresh(base: string): string {
    this.#collect();
    const wanted = base === '' ? 'value' : base;
    let name = wanted;
    let n = this.#next.get(wanted) ?? 2;
    for (; this.#taken.has(name); n++) name = `${wanted}_${n}`;
    this.#next.set(wanted, n);
    this.#taken.add(name);
    return name;
  }

  take(name: string): void {
    this.#taken.add(name);
  }

  #collect(): void {
    if (this.#roots === null) return;
    for (const root of this.#roots()) for (const scope of root.eachScope()) this.#addScope(scope);
    this.#roots = null;
  }

  #addScope(scope: Scope): void {
    for (const list of [scope.inputs, scope.outputs, scope.values, scope.initializers]) {
      for (const { name } of list.toArray()) this.#taken.add(name);
    }
    for (const node of scope.nodes.toArray()) {
      this.#taken.add(node.name);
      for (const name of node.inputs) this.#taken.add(name);
      for (const name of node.outputs) this.#taken.add(name);
    }
  }
}
