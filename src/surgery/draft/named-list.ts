/** Records in file order, found by name: names may occur twice in files that are not valid. */

interface Named {
  readonly name: string;
}

export class NamedList<T extends Named> {
  readonly #before: readonly T[];
  /** Deleted records leave a hole, so that positions stay. */
  readonly #items: (T | null)[];
  /** Positions by name; made when first asked for. */
  #byName: Map<string, number[]> | null = null;
  #isChanged = false;

  constructor(before: readonly T[]) {
    this.#before = before;
    this.#items = [...before];
  }

  /** In order; the list as it was read, when nothing changed. */
  toArray(): readonly T[] {
    return this.#isChanged ? this.#items.filter((item) => item !== null) : this.#before;
  }

  get(name: string): T | undefined {
    const at = this.#index().get(name)?.[0];
    return at === undefined ? undefined : this.#items[at]!;
  }

  has(name: string): boolean {
    return this.#index().has(name);
  }

  add(item: T): void {
    const index = this.#index();
    this.#isChanged = true;
    index.set(item.name, [...(index.get(item.name) ?? []), this.#items.push(item) - 1]);
  }

  /** Puts what `change` makes of it in the place of every record of that name. */
  replace(name: string, change: (item: T) => T): void {
    const index = this.#index();
    const positions = index.get(name);
    if (positions === undefined) return;
    this.#isChanged = true;
    index.delete(name);
    for (const at of positions) {
      const item = change(this.#items[at]!);
      this.#items[at] = item;
      index.set(item.name, [...(index.get(item.name) ?? []), at]);
    }
  }

  /** Deletes every record of that name. */
  delete(name: string): boolean {
    const index = this.#index();
    const positions = index.get(name);
    if (positions === undefined) return false;
    this.#isChanged = true;
    index.delete(name);
    for (const at of positions) this.#items[at] = null;
    return true;
  }

  #index(): Map<string, number[]> {
    if (this.#byName === null) {
      this.#byName = new Map();
      for (const [at, item] of this.#items.entries()) {
        if (item === null) continue;
        const known = this.#byName.get(item.name);
        if (known === undefined) this.#byName.set(item.name, [at]);
        else known.push(at);
      }
    }
    return this.#byName;
  }
}
