/** Removal of what no output depends on. */
import { z } from 'zod';
import { type FunctionRecord, toFunctionId } from '../../model/document.ts';
import type { Draft } from '../draft/draft.ts';
import type { Node, Scope } from '../draft/scope.ts';
import { defineVerb } from './verb.ts';
import { forgetValue, isUsed } from './wiring.ts';

export interface CleanupResult {
  readonly nodes: number;
  readonly initializers: number;
  readonly functions: number;
}

/**
 * Removes nodes whose outputs nothing reads, then initializers, then functions that nothing calls, in every scope, until
 * there are none. Inputs stay, since they are the interface; nodes that make nothing at all stay, since they are there
 * for what they do.
 */
export const cleanup = defineVerb(z.strictObject({}), (draft): CleanupResult => removeDead(draft));

export function removeDead(draft: Draft): CleanupResult {
  let nodes = 0;
  let initializers = 0;
  for (const root of draft.roots()) {
    nodes += removeDeadNodes(root);
    for (const scope of root.eachScope()) initializers += removeDeadInitializers(draft, scope);
  }
  return { nodes, initializers, functions: removeDeadFunctions(draft) };
}

function removeDeadNodes(root: Scope): number {
  let removed = 0;
  for (let before = -1; before !== removed; ) {
    before = removed;
    // Inner scopes first: what they no longer read may be dead outside.
    for (const scope of [...root.eachScope()].reverse()) {
      for (const node of [...scope.nodes.toArray()].reverse()) {
        if (!isDead(node)) continue;
        scope.delete(node);
        for (const output of node.outputs) forgetValue(scope, output);
        removed++;
      }
    }
  }
  return removed;
}

function isDead(node: Node): boolean {
  const outputs = node.outputs.filter((output) => output !== '');
  return outputs.length > 0 && outputs.every((output) => !isUsed(node.scope, output));
}

function removeDeadInitializers(draft: Draft, scope: Scope): number {
  let removed = 0;
  // Scales and zero points of annotations are read by runtimes that quantise.
  const annotated = new Set(scope.annotations.flatMap(({ parameters }) => parameters.map(([, value]) => value)));
  for (const { name } of scope.initializers.toArray()) {
    if (isUsed(scope, name) || annotated.has(name) || (draft.irVersion >= 4 && scope.inputs.has(name))) continue;
    scope.initializers.delete(name);
    if (draft.irVersion < 4) scope.inputs.delete(name);
    forgetValue(scope, name);
    removed++;
  }
  return removed;
}

function removeDeadFunctions(draft: Draft): number {
  const live = new Set<string>();
  const functions = new Map(
    draft.listFunctions().map((record): [string, FunctionRecord] => [toFunctionId(record), record]),
  );
  const roots: Scope[] = [draft.main];
  // The list grows while it is walked.
  for (const root of roots) {
    for (const scope of root.eachScope()) {
      for (const { domain, op, overload } of scope.nodes.toArray()) {
        const id = toFunctionId({ domain, name: op, overload });
        if (!functions.has(id) || live.has(id)) continue;
        live.add(id);
        roots.push(draft.findFunction(id)!);
      }
    }
  }
  let removed = 0;
  for (const id of functions.keys()) {
    if (live.has(id)) continue;
    draft.deleteFunction(draft.findFunction(id)!);
    removed++;
  }
  return removed;
}
