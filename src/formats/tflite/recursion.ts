/** Subgraphs run each other by number; a circle would never end. */
import type { TfliteContext } from './context.ts';
import type { Table } from './flat.ts';
import type { ReadScope } from './graph.ts';

/** @throws FormatError TFLITE_INDEX | TFLITE_RECURSION */
export function assertNoRecursion({ flat }: TfliteContext, model: Table, scopes: readonly ReadScope[]): void {
  const callers = scopes.map((): number[] => []);
  const open = scopes.map(({ calls }) => calls.size);
  scopes.forEach(({ calls }, caller) => {
    for (const callee of calls) {
      const list = callers.at(callee);
      if (callee < 0 || list === undefined) {
        throw flat.fail('TFLITE_INDEX', model.at, { subgraph: callee, subgraphs: scopes.length });
      }
      list.push(caller);
    }
  });
  // Subgraphs whose callees all end, end; what is left at last runs in a circle, or leads into one.
  const ending = open.flatMap((count, index) => (count === 0 ? [index] : []));
  for (const index of ending) {
    for (const caller of callers[index]) if (--open[caller] === 0) ending.push(caller);
  }
  if (ending.length < scopes.length) {
    throw flat.fail('TFLITE_RECURSION', model.at, { subgraph: open.findIndex((count) => count > 0) });
  }
}
