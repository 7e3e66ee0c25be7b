/** Equal initializers of the main graph become one. */
import { createHash } from 'node:crypto';
import type { GraphDocument, InitializerRecord } from '../../../model/document.ts';
import type { TensorRef } from '../../../model/types.ts';
import type { Transaction } from '../../transaction.ts';
import { eachScopeRecord } from '../../validate/tree.ts';
import type { Pass } from '../pass.ts';

/** Bytes that are hashed at a time. */
const CHUNK_BYTES = 256 * 1024;

export const deduplicate: Pass = ({ document }) => {
  const groups = findEqual(document);
  return Promise.resolve((tx) => {
    let merged = 0;
    let bytes = 0;
    for (const [kept, ...copies] of groups) {
      for (const { name, tensor } of copies) {
        redirect(tx, name, kept.name);
        tx.deleteInitializer(name);
        merged++;
        bytes += tensor!.byteLength;
      }
    }
    return { counts: { merged, bytes }, notes: [] };
  });
};

/** Lists of initializers with the same type, shape and bytes; the first of each stays. */
function findEqual(document: GraphDocument): readonly (readonly InitializerRecord[])[] {
  const fixed = listFixed(document);
  const candidates = document.graph.initializers.filter(({ name, tensor }) => tensor !== null && !fixed.has(name));
  const alike = group(candidates, ({ tensor }) => `${tensor!.dtype} ${tensor!.shape.join()}`);
  return alike.flatMap((list) => group(list, ({ tensor }) => toDigest(tensor!)));
}

/** Names that must stay: those that callers, annotations and outputs of graphs use. */
function listFixed({ graph, irVersion }: GraphDocument): ReadonlySet<string> {
  const fixed = new Set(irVersion < 4 ? [] : graph.inputs.map(({ name }) => name));
  for (const scope of eachScopeRecord(graph)) for (const { name } of scope.outputs) fixed.add(name);
  for (const { parameters } of graph.annotations) for (const [, value] of parameters) fixed.add(value);
  return fixed;
}

/** Groups of two and more. */
function group(list: readonly InitializerRecord[], toKey: (item: InitializerRecord) => string): InitializerRecord[][] {
  const groups = new Map<string, InitializerRecord[]>();
  for (const item of list) {
    const key = toKey(item);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [item]);
    else known.push(item);
  }
  return [...groups.values()].filter(({ length }) => length > 1);
}

function toDigest(tensor: TensorRef): string {
  const hash = createHash('sha256');
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, tensor.byteLength));
  for (let at = 0; at < tensor.byteLength; at += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, tensor.byteLength - at));
    tensor.read(at, part);
    hash.update(part);
  }
  return hash.digest('hex');
}

function redirect(tx: Transaction, from: string, to: string): void {
  for (const node of tx.readers(from)) {
    node.inputs.forEach((name, input) => {
      if (name === from) tx.setInput(node, input, to);
    });
  }
}
