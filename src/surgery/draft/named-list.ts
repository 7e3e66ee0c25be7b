/** Records in file order, found by name: names may occur twice in files that are not valid. */

interface Named {
  readonly name: string;
}

/** An index of the names costs as much as some ten walks, and a small edit asks for a few. */
const WALKS_MAX = 8;

/** Most names stand once: only others have a list. */
type Positions = Map<string, number | number[]>;

export class NamedList<T extends Named> {
  readonly #before: readonly T[];
  /** The list as it is, once it differs. Deleted records leave a hole, so that positions stay. */
  #changed: (T | null)[] | null = null;
  /** Position, or positions, by name; made when names are looked for often, and when the list changes. */
  #byName: Positions | null = null;
  #walks = 0;

  constructor(before: readonly T[]) {
    this.#before = before;
  }

  /** In order; the list as it was read, when nothing changed. */
  toArray(): readonly T[] {
    return this.#changed === null ? this.#before : this.#changed.filter((item) => item !== null);
  }

  get(name: string): T | undefined {
    if (this.#byName === null && this.#walks++ < WALKS_MAX) return this.#before.find((item) => item.name === name);
    const at = toPositions(this.#index().get(name)).at(0);
    return at === undefined ? undefined : this.#items()[at]!;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  add(item: T): void {
    const index = this.#index();
    addPosition(index, item.name, this.#change().push(item) - 1);
  }

  /** Puts what `change` makes of it in the place of every record of that name. */
  replace(name: string, change: (item: T) => T): void {
    const index = this.#index();
    const positions = toPositions(index.get(name));
    if (positions.length === 0) return;
    const items = this.#change();
    index.delete(name);
    for (const at of positions) {
      const item = change(items[at]!);
      items[at] = item;
      addPosition(index, item.name, at);
    }
  }

  /** Deletes every record of that name. */
  delete(name: string): boolean {
    const index = this.#index();
    const positions = toPositions(index.get(name));
    if (positions.length === 0) return false;
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

  #index(): Positions {
    if (this.#byName === null) {
      const index: Positions = new Map();
      this.#items().forEach((item, at) => {
        if (item !== null) addPosition(index, item.name, at);
      });
      this.#byName = index;
    }
    return this.#byName;
  }
}

function toPositions(found: number | number[] | undefined): readonly number[] {
  return found === undefined ? [] : typeof found === 'number' ? [found] : found;
}

function addPosition(index: Positions, name: string, at: number): void {
  const known = index.get(name);
  if (known === undefined) index.set(name, at);
  else if (typeof known === 'number') index.set(name, [known, at]);
  else known.push(at);
}
