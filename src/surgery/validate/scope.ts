/** Rules of one scope and those inside it: names, order, interfaces, attributes. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type {
  AttributeRecord,
  FunctionRecord,
  InitializerRecord,
  NodeRecord,
  ScopeRecord,
} from '../../model/document.ts';
import { findCycle } from './cycle.ts';
import type { Findings } from './findings.ts';
import { checkNode } from './node.ts';
import { checkTypes } from './types.ts';

/** What holds for a whole tree of scopes. */
export interface TreeContext {
  readonly findings: Findings;
  readonly irVersion: number;
  /** Domains that are imported. */
  readonly domains: ReadonlySet<string>;
  /** The function whose body it is; null for the main graph. */
  readonly function: FunctionRecord | null;
}

/** Names that scopes around see, innermost last. */
type Outer = readonly ReadonlySet<string>[];

/** Messages inside a graph at most: value_info, type, tensor type, shape, dimension. */
const DEPTH_INSIDE = 5;
/** Messages from one graph to a graph in it: node, attribute, graph. */
const DEPTH_STEP = 3;

/** Checks `scope` and all inside it. */
export function checkScope(context: TreeContext, scope: ScopeRecord, path: string, outer: Outer): void {
  const { findings } = context;
  if (1 + DEPTH_STEP * outer.length + DEPTH_INSIDE > FORMAT_LIMITS.onnxDepthMax) {
    findings.add('depth', path, scope.name);
    return;
  }
  const defined = new Set<string>();
  const initializers = collectInterface(context, scope, path, outer, defined);
  const walk: Walk = { context, scope, path, outer, defined, nodeNames: new Set(), made: null, isLate: false };
  for (const node of scope.nodes) checkNodeInScope(walk, node);
  // Reading ahead is an order to mend, unless it goes round.
  if (walk.isLate) for (const node of findCycle(scope)) findings.add('cycle', path, node.outputs[0] ?? '', node);
  for (const { name } of scope.outputs) {
    if (name === '') findings.add('empty-name', path, '');
    else if (defined.has(name)) continue;
    else if (isSeen(outer, name)) findings.add('captured-output', path, name);
    else findings.add('undefined-output', path, name);
  }
  checkTypes(findings, scope, path, initializers);
}

/** Adds the names that are there before the first node to `defined`. @returns the initializers by name */
function collectInterface(
  context: TreeContext,
  scope: ScopeRecord,
  path: string,
  outer: Outer,
  defined: Set<string>,
): ReadonlyMap<string, InitializerRecord> {
  const { findings, irVersion } = context;
  for (const { name } of scope.inputs) define(context, path, outer, defined, name, null);
  const initializers = new Map<string, InitializerRecord>();
  for (const initializer of scope.initializers) {
    const { name } = initializer;
    if (name === '') findings.add('empty-name', path, '');
    else if (initializers.has(name)) findings.add('duplicate-value', path, name);
    else if (!defined.has(name) && isSeen(outer, name)) findings.add('shadowed-value', path, name);
    if (irVersion > 0 && irVersion < 4 && name !== '' && !defined.has(name)) {
      findings.add('initializer-not-input', path, name);
    }
    initializers.set(name, initializer);
  }
  for (const name of initializers.keys()) defined.add(name);
  return initializers;
}

function define(
  context: TreeContext,
  path: string,
  outer: Outer,
  into: Set<string>,
  name: string,
  node: NodeRecord | null,
): void {
  const { findings } = context;
  if (name === '') findings.add('empty-name', path, '', node);
  else if (into.has(name)) findings.add('duplicate-value', path, name, node);
  else if (isSeen(outer, name)) findings.add('shadowed-value', path, name, node);
  into.add(name);
}

interface Walk {
  readonly context: TreeContext;
  readonly scope: ScopeRecord;
  readonly path: string;
  readonly outer: Outer;
  readonly defined: Set<string>;
  /** Names of the nodes before. */
  readonly nodeNames: Set<string>;
  /** All that nodes of the scope make; collected when a value is read that is not there yet. */
  made: ReadonlySet<string> | null;
  isLate: boolean;
}

function checkNodeInScope(walk: Walk, node: NodeRecord): void {
  const { context, path, outer, defined, nodeNames } = walk;
  const { findings } = context;
  if (node.name !== '') {
    if (nodeNames.has(node.name)) findings.add('duplicate-node-name', path, node.name, node);
    nodeNames.add(node.name);
  }
  for (const input of node.inputs) {
    if (input === '' || defined.has(input) || isSeen(outer, input)) continue;
    if (isMadeLater(walk, input)) findings.add('use-before-definition', path, input, node);
    else findings.add('undefined-value', path, input, node);
  }
  if (!context.domains.has(node.domain)) findings.add('opset-missing', path, node.domain, node);
  checkNode(findings, node, path);
  if (hasInner(node)) for (const [name, attribute] of node.attributes) checkAttribute(walk, node, name, attribute);
  for (const output of node.outputs) if (output !== '') define(context, path, outer, defined, output, node);
}

function isSeen(outer: Outer, name: string): boolean {
  for (const names of outer) if (names.has(name)) return true;
  return false;
}

function isMadeLater(walk: Walk, value: string): boolean {
  walk.made ??= new Set(walk.scope.nodes.flatMap(({ outputs }) => outputs));
  if (!walk.made.has(value)) return false;
  walk.isLate = true;
  return true;
}

/** True when attributes have rules of their own: asked first, since most nodes have none of these. */
function hasInner({ attributes }: NodeRecord): boolean {
  for (const { kind } of attributes.values())
    if (kind === 'graph' || kind === 'graphs' || kind === 'other') return true;
  return false;
}

function checkAttribute(walk: Walk, node: NodeRecord, name: string, attribute: AttributeRecord): void {
  const { context, path, outer, defined } = walk;
  if (attribute.kind === 'other' && attribute.reference !== undefined) {
    const owner = context.function;
    if (owner === null) context.findings.add('reference-outside-function', path, name, node);
    else if (!owner.attributes.includes(attribute.reference) && !owner.defaults.has(attribute.reference)) {
      context.findings.add('unknown-reference', path, attribute.reference, node);
    }
    return;
  }
  if (attribute.kind !== 'graph' && attribute.kind !== 'graphs') return;
  for (const graph of attribute.kind === 'graph' ? [attribute.graph] : attribute.graphs) {
    const inner = graph.path !== '' ? graph.path : `${path === '' ? '' : `${path}/`}${node.name}.${name}`;
    checkScope(context, graph, inner, [...outer, defined]);
  }
}
