/** Names for what an edit adds: from a base and a counter, so that replays agree, and free in every scope of the model. */
import type { Scope } from './scope.ts';

export class Names {
  /** Names that were given out or taken by an edit: none is given again, even when its value is gone. */
  readonly #given = new Set<string>();
  readonly #next = new Map<string, number>();
  readonly #scopes: () => Iterable<Scope>;
  /** Names of nodes; collected when the first name is asked for, since scopes know values by name but not nodes. */
  #nodeNames: Set<string> | null = null;

  /** @param scopes all scopes of the model, as they are when asked */
  constructor(scopes: () => Iterable<Scope>) {
    this.#scopes = scopes;
  }

  /** `base`, or with "_2", "_3", … when it is taken. It is taken from then on. */
  fresh(base: string): string {
    const wanted = base === '' ? 'value' : base;
    const scopes = [...this.#scopes()];
    let name = wanted;
    let n = this.#next.get(wanted) ?? 2;
    for (; this.#isTaken(scopes, name); n++) name = `${wanted}_${n}`;
    this.#next.set(wanted, n);
    this.#given.add(name);
    return name;
  }

  take(name: string): void {
    this.#given.add(name);
  }

  #isTaken(scopes: readonly Scope[], name: string): boolean {
    this.#nodeNames ??= new Set(scopes.flatMap((scope) => scope.nodes.toArray().map((node) => node.name)));
    if (this.#given.has(name) || this.#nodeNames.has(name)) return true;
    return scopes.some((scope) => scope.mentions(name));
  }
}
