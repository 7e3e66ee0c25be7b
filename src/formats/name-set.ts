/** Names that are unique in one model. */

export class NameSet {
  readonly #names = new Set<string>();
  readonly #numbers = new Map<string, number>();

  /**
   * `wanted`, or with "~2", "~3", … when it is taken: names of nodes and values need not be unique, and a hostile tensor
   * can be called like the path of a nested one.
   */
  claim(wanted: string): string {
    let name = wanted;
    if (this.#names.has(wanted)) {
      // Counting on from the last number keeps a file of many equal names linear.
      let n = this.#numbers.get(wanted) ?? 2;
      for (name = `${wanted}~${n}`; this.#names.has(name); name = `${wanted}~${n}`) n++;
      this.#numbers.set(wanted, n + 1);
    }
    this.#names.add(name);
    return name;
  }
}
