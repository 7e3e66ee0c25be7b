/** Names for what an edit adds: from a base and a counter, so that replays agree, and free in every scope of the model. */
import type { Scope } from './scope.ts';

/** A set of the names of a graph costs as much as some twenty walks, and a small edit asks for a name or two. */
const WALKS_MAX = 8;

export class Names {
  /** Names that were given out or taken by an edit: none is given again, even when its value is gone. */
  readonly #given = new Set<string>();
  readonly #next = new Map<string, number>();
  readonly #scopes: () => Iterable<Scope>;
  /** Names of nodes, which scopes do not know by name; collected when the first name is asked for. */
  #nodeNames: readonly string[] | ReadonlySet<string> | null = null;
  #walks = 0;

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
    return this.#given.has(name) || this.#isNodeName(scopes, name) || scopes.some((scope) => scope.mentions(name));
  }

  #isNodeName(scopes: readonly Scope[], name: string): boolean {
    let names = this.#nodeNames ?? scopes.flatMap((scope) => scope.nodes.toArray().map((node) => node.name));
    if (Array.isArray(names) && ++this.#walks > WALKS_MAX) names = new Set(names);
    this.#nodeNames = names;
    return names instanceof Set ? names.has(name) : (names as readonly string[]).includes(name);
  }
}
