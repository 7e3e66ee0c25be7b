/** Records in file order, found by name: names may occur twice in files that are not valid. */

interface Named {
  readonly name: string;
}

export class NamedList<T extends Named> {
  readonly #before: readonly T[];
  /** The list as it is, once it differs. Deleted records leave a hole, so that positions stay. */
  #changed: (T | null)[] | null = null;
  /** Positions by name; made when first asked for. */
  #byName: Map<string, number[]> | null = null;

  constructor(before: readonly T[]) {
    this.#before = before;
  }

  /** In order; the list as it was read, when nothing changed. */
  toArray(): readonly T[] {
    return this.#changed === null ? this.#before : this.#changed.filter((item) => item !== null);
  }

  get(name: string): T | undefined {
    const at = this.#index().get(name)?.[0];
    return at === undefined ? undefined : this.#items()[at]!;
  }

  has(name: string): boolean {
    return this.#index().has(name);
  }

  add(item: T): void {
    const index = this.#index();
    const position = this.#change().push(item) - 1;
    index.set(item.name, [...(index.get(item.name) ?? []), position]);
  }

  /** Puts what `change` makes of it in the place of every record of that name. */
  replace(name: string, change: (item: T) => T): void {
    const index = this.#index();
    const positions = index.get(name);
    if (positions === undefined) return;
    const items = this.#change();
    index.delete(name);
    for (const at of positions) {
      const item = change(items[at]!);
      items[at] = item;
      index.set(item.name, [...(index.get(item.name) ?? []), at]);
    }
  }

  /** Deletes every record of that name. */
  delete(name: string): boolean {
    const index = this.#index();
    const positions = index.get(name);
    if (positions === undefined) return false;
    const items = this.#change();
    index.delete(name);
    for (const at of positions) items[at] = null;
    return true;
  }

  #items(): readonly (T | null)[] {
    return this.#changed ?? this.#before;
  }

  #change(): (T | null)[] {
    return (this.#changed ??= [...this.#before]);
  }

  #index(): Map<string, number[]> {
    if (this.#byName === null) {
      this.#byName = new Map();
      for (const [at, item] of this.#items().entries()) {
        if (item === null) continue;
        const known = this.#byName.get(item.name);
        if (known === undefined) this.#byName.set(item.name, [at]);
        else known.push(at);
      }
    }
    return this.#byName;
  }
}
