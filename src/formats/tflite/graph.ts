/** SubGraph tables as scopes: values, constants and operators. */
import type { Graph, GraphNode, TensorRef, ValueInfo } from '../../model/types.ts';
import { NameSet } from '../name-set.ts';
import type { TfliteContext } from './context.ts';
import { MODEL, OPERATOR, OPERATOR_CODE, SUBGRAPH, TENSOR } from './fields.ts';
import type { FlatVector, Table } from './flat.ts';
import { CUSTOM_OPERATOR, toOperatorName } from './operators.ts';
import { listCalls, readOptions } from './options.ts';
import { readTensor } from './tensor.ts';

/** Domain of the builtin operators, and of custom ones. */
export const TFLITE_DOMAIN = 'tflite';
const CUSTOM_DOMAIN = 'tflite.custom';

/** What an operator runs, by its number in the file. */
export interface OperatorCode {
  readonly op: string;
  readonly domain: string;
  readonly version: bigint;
}

/** @throws FormatError TFLITE_OPERATOR */
export function readOperatorCodes({ flat }: TfliteContext, model: Table): OperatorCode[] {
  const codes: OperatorCode[] = [];
  for (const table of model.tables(MODEL.operatorCodes)) {
    flat.spend(160, table.at);
    // The byte ran out of codes: newer files write both, or 127 and the wide one (schema 3a).
    const narrow = table.int(OPERATOR_CODE.deprecatedBuiltinCode, 'i8');
    const code = Math.max(narrow, table.int(OPERATOR_CODE.builtinCode, 'i32'));
    const custom = table.text(OPERATOR_CODE.customCode) ?? '';
    if (code < 0 || (code === CUSTOM_OPERATOR && custom === '')) throw flat.fail('TFLITE_OPERATOR', table.at, { code });
    const version = BigInt(table.int(OPERATOR_CODE.version, 'i32', 1));
    if (code === CUSTOM_OPERATOR) codes.push({ op: custom, domain: CUSTOM_DOMAIN, version });
    else codes.push({ op: toOperatorName(code), domain: TFLITE_DOMAIN, version });
  }
  return codes;
}

/** A scope, and the numbers of the subgraphs that its operators run. */
export interface ReadScope {
  readonly graph: Graph;
  readonly tensorCount: number;
  readonly calls: ReadonlySet<number>;
}

/**
 * Reads a subgraph.
 * @param path "" for the main graph
 * @throws FormatError TFLITE_…
 */
export function readSubgraph(
  context: TfliteContext,
  table: Table,
  codes: readonly OperatorCode[],
  path: string,
): ReadScope {
  context.flat.spend(1024, table.at);
  const prefix = path === '' ? '' : `${path}/`;
  const { list, values, tensors } = readTensors(context, table, prefix);
  const scope: Scope = { context, codes, list, tensors };
  const inputs = toValues(scope, table, SUBGRAPH.inputs);
  const outputs = toValues(scope, table, SUBGRAPH.outputs);
  const nodes: GraphNode[] = [];
  const calls = new Set<number>();
  for (const operator of table.tables(SUBGRAPH.operators)) {
    const node = readOperator(scope, operator);
    nodes.push(node);
    for (const call of listCalls(node.attributes)) calls.add(call);
  }
  const name = table.text(SUBGRAPH.name) ?? '';
  return { graph: { name, inputs, outputs, nodes, values, tensors }, tensorCount: list.length, calls };
}

interface Scope {
  readonly context: TfliteContext;
  readonly codes: readonly OperatorCode[];
  /** Values by their number in the file. */
  readonly list: readonly ValueInfo[];
  readonly tensors: ReadonlyMap<string, TensorRef>;
}

function readTensors(context: TfliteContext, table: Table, prefix: string) {
  const names = new NameSet();
  const list: ValueInfo[] = [];
  const values = new Map<string, ValueInfo>();
  const tensors = new Map<string, TensorRef>();
  for (const item of table.tables(SUBGRAPH.tensors)) {
    const name = item.text(TENSOR.name) ?? '';
    const localName = names.claim(name === '' ? `#${list.length}` : name);
    const { value, constant } = readTensor(context, item, localName, prefix);
    list.push(value);
    values.set(localName, value);
    if (constant !== null) tensors.set(localName, constant);
  }
  return { list, values, tensors };
}

function toValues(scope: Scope, table: Table, field: number): ValueInfo[] {
  return toNumbers(scope, table.vector(field, 'i32'), false).map((index) => scope.list[index]);
}

/** Numbers of tensors; -1 stands for one that is left out. @throws FormatError TFLITE_INDEX */
function toNumbers({ context, list }: Scope, vector: FlatVector | null, isOptional: boolean): number[] {
  if (vector === null) return [];
  const { flat } = context;
  flat.spend(32 + 24 * vector.count, vector.start);
  return Array.from({ length: vector.count }, (_, i) => {
    const index = flat.pages.i32(vector.start + 4 * i);
    const isLegal = index < list.length && (index >= 0 || (isOptional && index === -1));
    if (!isLegal) throw flat.fail('TFLITE_INDEX', vector.start + 4 * i, { tensor: index, tensors: list.length });
    return index;
  });
}

function readOperator(scope: Scope, table: Table): GraphNode {
  const { context, codes, list, tensors } = scope;
  context.flat.spend(480, table.at);
  const opcode = table.int(OPERATOR.opcodeIndex, 'u32');
  const code = codes.at(opcode);
  if (code === undefined) throw context.flat.fail('TFLITE_INDEX', table.at, { opcode, operatorCodes: codes.length });
  const toNames = (field: number): string[] =>
    toNumbers(scope, table.vector(field, 'i32'), true).map((index) => (index === -1 ? '' : list[index].name));
  const inputs = toNames(OPERATOR.inputs);
  const outputs = toNames(OPERATOR.outputs);
  toNames(OPERATOR.intermediates);
  table.vector(OPERATOR.mutatingInputs, 'bool');
  const constant = outputs.find((name) => tensors.has(name));
  if (constant !== undefined) throw context.flat.fail('TFLITE_OPERATOR', table.at, { output: constant });
  const attributes = readOptions(context, table);
  attributes.set('op_version', { kind: 'int', value: code.version });
  return { name: '', op: code.op, domain: code.domain, inputs, outputs, attributes };
}
