/** Names the tensors of a pickle by their key paths, as a state_dict would. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { findNode, isNode, type TensorNode, type Value } from './values.ts';

export interface NamedTensor {
  readonly name: string;
  readonly tensor: TensorNode;
}

/** Called when the tree is deeper or wider than is followed; does not return. */
export type Refuse = (what: 'depth' | 'visits' | 'path') => never;

/**
 * Walks dicts, lists, tuples and the states of objects below `root`, joining keys with ".". What cannot be reached so
 * (arguments of unknown objects, popped values) is named `unreached.0`, … , so that no tensor is left out.
 */
export function nameTensors(root: Value, all: readonly TensorNode[], prefix: string, refuse: Refuse): NamedTensor[] {
  const walk = new Walk(refuse);
  walk.visit(root, prefix, 0);
  const reached = new Set(walk.found.map(({ tensor }) => tensor));
  const rest = all.filter((tensor) => !reached.has(tensor));
  return [...walk.found, ...rest.map((tensor, i) => ({ name: joinPath(prefix, `unreached.${i}`), tensor }))];
}

/** Attributes of a module that hold its parts: a state_dict leaves their names out. */
const MODULE_PARTS = new Set(['_modules', '_parameters', '_buffers']);

class Walk {
  readonly found: NamedTensor[] = [];
  /** Values above the visited one: an object may hold its owner. */
  readonly #path = new Set<Value>();
  readonly #refuse: Refuse;
  #visits = 0;

  constructor(refuse: Refuse) {
    this.#refuse = refuse;
  }

  visit(value: Value, name: string, depth: number): void {
    if (++this.#visits > FORMAT_LIMITS.stateVisitsMax) this.#refuse('visits');
    if (!isNode(value) || this.#path.has(value)) return;
    if (value.kind === 'tensor') {
      this.found.push({ name: name === '' ? 'tensor' : name, tensor: value });
      return;
    }
    if (depth > FORMAT_LIMITS.stateDepthMax) this.#refuse('depth');
    this.#path.add(value);
    if (value.kind === 'dict') this.#visitEntries(value.entries, name, depth, false);
    else if (value.kind === 'list' || value.kind === 'tuple') this.#visitItems(value.items, name, depth);
    else if (value.kind === 'call') {
      this.#visitState(value.state, name, depth);
      this.#visitEntries(value.entries, name, depth, false);
      this.#visitItems(value.items, name, depth);
    }
    this.#path.delete(value);
  }

  /** A state is a dict of attributes, or a pair of that and a dict of slots. */
  #visitState(state: Value, name: string, depth: number): void {
    const parts = findNode(state, 'tuple')?.items ?? [state];
    for (const part of parts) {
      const attributes = findNode(part, 'dict');
      if (attributes === undefined) this.visit(part, name, depth + 1);
      else this.#visitEntries(attributes.entries, name, depth, true);
    }
  }

  #visitEntries(entries: readonly (readonly [Value, Value])[], name: string, depth: number, isState: boolean): void {
    for (const [key, value] of entries) {
      if (++this.#visits > FORMAT_LIMITS.stateVisitsMax) this.#refuse('visits');
      if (!isNode(value)) continue;
      const isPart = isState && typeof key === 'string' && MODULE_PARTS.has(key);
      this.visit(value, isPart ? name : this.#join(name, isNode(key) ? '?' : String(key)), depth + 1);
    }
  }

  #visitItems(items: readonly Value[], name: string, depth: number): void {
    items.forEach((item, i) => {
      if (++this.#visits > FORMAT_LIMITS.stateVisitsMax) this.#refuse('visits');
      if (isNode(item)) this.visit(item, this.#join(name, String(i)), depth + 1);
    });
  }

  #join(name: string, key: string): string {
    const path = joinPath(name, key);
    if (path.length > FORMAT_LIMITS.statePathLengthMax) this.#refuse('path');
    return path;
  }
}

function joinPath(name: string, key: string): string {
  return name === '' ? key : `${name}.${key}`;
}
