/** Model-local functions, and the check that none calls itself. */
import type { Graph } from '../../model/types.ts';
import { isBytes, type OnnxContext } from './context.ts';
import { addValue, readNode, toDomain, toOperatorId } from './graph.ts';
import { ScopeDraft } from './scope-draft.ts';
import { readValueInfo } from './value-info.ts';
import type { Fields, Frame } from './wire.ts';

/** The functions of a model while they are read. */
export interface FunctionTable {
  readonly graphs: Map<string, Graph>;
  readonly calls: Map<string, ReadonlySet<string>>;
  readonly offsets: Map<string, number>;
}

export function toFunctionTable(): FunctionTable {
  return { graphs: new Map(), calls: new Map(), offsets: new Map() };
}

/** FunctionProto. @throws FormatError ONNX_NAME | ONNX_DUPLICATE_NAME and those of its nodes */
export function readFunction(context: OnnxContext, frame: Frame, table: FunctionTable): void {
  context.spend(1536, frame.start);
  const { id, name } = readIdentity(context, frame);
  if (name === '') throw context.reader.fail('ONNX_NAME', frame.start, { of: 'function' });
  if (table.graphs.has(id)) throw context.reader.fail('ONNX_DUPLICATE_NAME', frame.start, { function: id });
  const scope = new ScopeDraft(`${context.claimName(id)}/`);
  scope.name = name;
  const calls = new Set<string>();
  context.calls = calls;
  const fields = context.reader.walk(frame);
  while (fields.next()) readFunctionField(context, scope, fields);
  context.calls = null;
  const graph = scope.toGraph();
  context.scopes.set(graph, scope);
  table.graphs.set(id, graph);
  table.calls.set(id, calls);
  table.offsets.set(id, frame.start);
}

/** The identity may lie behind the body, whose tensors are named after it. */
function readIdentity(context: OnnxContext, frame: Frame): { id: string; name: string } {
  let name = '';
  let domain = '';
  let overload = '';
  const fields = context.reader.walk(frame);
  while (fields.next()) {
    if (isBytes(fields, 1)) name = context.text(fields);
    else if (isBytes(fields, 10)) domain = toDomain(context.text(fields));
    else if (isBytes(fields, 13)) overload = context.text(fields);
  }
  return { id: toOperatorId(domain, name, overload), name };
}

function readFunctionField(context: OnnxContext, scope: ScopeDraft, fields: Fields): void {
  if (isBytes(fields, 4)) addValue(scope, scope.inputs, { name: context.text(fields), dtype: null, shape: null });
  else if (isBytes(fields, 5)) addValue(scope, scope.outputs, { name: context.text(fields), dtype: null, shape: null });
  else if (isBytes(fields, 7)) scope.nodes.push(readNode(context, scope, context.enter(fields)));
  else if (isBytes(fields, 12)) addValue(scope, scope.inner, readValueInfo(context, context.enter(fields)));
}

/**
 * A function that calls itself makes runtimes inline without end (GHSA-7w46-vvrh-m8q5).
 * @throws FormatError ONNX_FUNCTION_RECURSION
 */
export function assertNoRecursion(context: OnnxContext, table: FunctionTable): void {
  const done = new Set<string>();
  for (const root of table.calls.keys()) {
    // A stack of its own: a chain of many functions must not exhaust the engine's.
    const path: { id: string; rest: string[] }[] = [];
    const onPath = new Set<string>();
    const enter = (id: string): void => {
      path.push({ id, rest: [...table.calls.get(id)!].filter((callee) => table.calls.has(callee)) });
      onPath.add(id);
    };
    if (!done.has(root)) enter(root);
    while (path.length > 0) {
      const top = path[path.length - 1];
      const callee = top.rest.pop();
      if (callee === undefined) {
        done.add(top.id);
        onPath.delete(top.id);
        path.pop();
      } else if (onPath.has(callee)) {
        throw context.reader.fail('ONNX_FUNCTION_RECURSION', table.offsets.get(callee)!, { function: callee });
      } else if (!done.has(callee)) enter(callee);
    }
  }
}
