/** New names for values, with every use of them, and for nodes. */
import { z } from 'zod';
import type { Draft } from '../draft/draft.ts';
import { nodeRefSchema, resolveNode, resolveValue, valueRefSchema } from '../draft/refs.ts';
import type { Scope } from '../draft/scope.ts';
import { defineVerb } from './verb.ts';
import { assertFree, renameOutput, rewireReaders } from './wiring.ts';

/** Renames a value where it is defined and wherever it is read. Inputs and outputs of the model change their names too. */
export const renameValue = defineVerb(
  z.strictObject({ value: valueRefSchema, to: z.string().min(1) }),
  (draft, { value: ref, to }): void => {
    const { scope, value } = resolveValue(draft, ref);
    if (value === to) return;
    assertFree(scope, to);
    renameDefinition(draft, scope, value, to);
  },
);

/** Names of nodes are labels: nothing reads them. */
export const renameNode = defineVerb(
  z.strictObject({ node: nodeRefSchema, to: z.string() }),
  (draft, { node: ref, to }): void => {
    const node = resolveNode(draft, ref);
    draft.names.take(to);
    node.scope.update(node, { ...node.record, name: to });
  },
);

/** {@link renameValue} without looking whether the name is free. */
export function renameDefinition(draft: Draft, scope: Scope, from: string, to: string): void {
  draft.names.take(to);
  draft.renamed.set(`${scope.path}\n${from}`, to);
  for (const inner of scope.eachScopeSeeing(from)) {
    // A subgraph may give back a value of a scope around it.
    inner.outputs.replace(from, (output) => ({ ...output, name: to }));
    renameAnnotations(inner, from, to);
  }
  rewireReaders(scope, from, to);
  const producer = scope.findProducer(from);
  if (producer !== undefined) renameOutput(producer, from, to);
  for (const list of [scope.inputs, scope.values]) list.replace(from, (value) => ({ ...value, name: to }));
  scope.initializers.replace(from, (initializer) => ({ ...initializer, name: to }));
}

function renameAnnotations(scope: Scope, from: string, to: string): void {
  const isNamed = scope.annotations.some(
    ({ value, parameters }) => value === from || parameters.some(([, name]) => name === from),
  );
  if (!isNamed) return;
  scope.annotations = scope.annotations.map((annotation) => {
    const parameters = annotation.parameters.map(([key, name]) => [key, name === from ? to : name] as const);
    const value = annotation.value === from ? to : annotation.value;
    const isSame =
      value === annotation.value && parameters.every(([, name], i) => name === annotation.parameters[i][1]);
    return isSame ? annotation : { ...annotation, value, parameters };
  });
}
