/** The nodes of a scope in order: insertion and removal in constant time, and comparison of two places. */
/** The links and the number by which the list knows its nodes. */
interface Linked<N> {
  previous: N | null;
  next: N | null;
  /** Grows along the list. */
  order: number;
}

/** Distance of neighbours after numbering; halved by each insertion at one place, so some 40 fit before a new numbering. */
const STEP = 2 ** 20;

export class NodeList<Node extends Linked<Node>> {
  #first: Node | null = null;
  #last: Node | null = null;
  #array: readonly Node[] | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** In order. The array does not change when the list does. */
  toArray(): readonly Node[] {
    if (this.#array === null) {
      const array = new Array<Node>(this.#size);
      let at = 0;
      for (let node = this.#first; node !== null; node = node.next) array[at++] = node;
      this.#array = array;
    }
    return this.#array;
  }

  get first(): Node | null {
    return this.#first;
  }

  get last(): Node | null {
    return this.#last;
  }

  /** Puts `node` behind `before`, or first. */
  insertAfter(before: Node | null, node: Node): void {
    const next = before === null ? this.#first : before.next;
    node.previous = before;
    node.next = next;
    if (before === null) this.#first = node;
    else before.next = node;
    if (next === null) this.#last = node;
    else next.previous = node;
    const low = before?.order ?? (next?.order ?? 0) - 2 * STEP;
    const high = next?.order ?? low + 2 * STEP;
    node.order = (low + high) / 2;
    if (node.order <= low || node.order >= high) this.#number();
    this.#size++;
    this.#array = null;
  }

  push(node: Node): void {
    this.insertAfter(this.#last, node);
  }

  delete(node: Node): void {
    const { previous, next } = node;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    node.previous = null;
    node.next = null;
    this.#size--;
    this.#array = null;
  }

  /** Takes another order of the same nodes. */
  reorder(nodes: readonly Node[]): void {
    this.#first = null;
    this.#last = null;
    this.#size = 0;
    for (const node of nodes) this.push(node);
  }

  #number(): void {
    let order = 0;
    for (let node = this.#first; node !== null; node = node.next) node.order = order += STEP;
  }
}
