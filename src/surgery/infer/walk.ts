/** The walk of inference over scopes: in file order, into subgraphs and function bodies, with a budget. */
import { SURGERY_LIMITS } from '../../core/limits/surgery.ts';
import {
  type AttributeRecord,
  type FunctionRecord,
  type GraphDocument,
  type NodeRecord,
  type OpsetRecord,
  type ScopeRecord,
  toFunctionId,
  type ValueRecord,
} from '../../model/document.ts';
import { Call } from './call.ts';
import { ConstantType } from './constants.ts';
import { findUnified } from './dims.ts';
import { type FindingId, FindingList } from './findings.ts';
import type { Inference, InferOptions } from './inference.ts';
import { findRule } from './table.ts';
import { type InferredType, toTensorType, type TensorType, UNKNOWN } from './types.ts';

/** One scope while it is walked. */
interface Frame {
  readonly path: string;
  readonly types: Map<string, InferredType>;
  /** The scope around a subgraph. */
  readonly outer: Frame | null;
  readonly opsets: ReadonlyMap<string, number>;
  /** Of the call of the function that the scope belongs to; null outside functions. */
  readonly attributes: ReadonlyMap<string, AttributeRecord> | null;
  /** Functions around it. */
  readonly depth: number;
}

/** Where no operator set is imported: as the newest. */
const NEWEST = 26;

export class Walk {
  readonly #document: GraphDocument;
  readonly #options: InferOptions;
  readonly #functions: ReadonlyMap<string, FunctionRecord>;
  readonly #scopes = new Map<ScopeRecord, Map<string, InferredType>>();
  readonly #findings = new FindingList();
  readonly #unknown = new Map<string, Set<NodeRecord>>();
  #visits = 0;

  constructor(document: GraphDocument, options: InferOptions) {
    this.#document = document;
    this.#options = options;
    this.#functions = new Map(document.functions.map((record) => [toFunctionId(record), record]));
  }

  inferMain(): void {
    const { graph, opsets } = this.#document;
    const inputs = graph.inputs.map((input) => this.#toInputType(input));
    const frame = { path: '', outer: null, opsets: toVersions(opsets), attributes: null, depth: 0 };
    this.#inferScope(frame, graph, inputs);
  }

  toInference(): Inference {
    return {
      scopes: this.#scopes,
      findings: this.#findings.toArray(),
      findingCount: this.#findings.count,
      unknownOperators: new Map([...this.#unknown].map(([id, nodes]) => [id, nodes.size])),
    };
  }

  #toInputType(input: ValueRecord): InferredType {
    const { dims, inputShapes, inputTensors } = this.#options;
    const tensor = inputTensors?.get(input.name);
    if (tensor !== undefined) return new ConstantType(tensor, SURGERY_LIMITS.inferValueElementsMax);
    const shape = inputShapes?.get(input.name) ?? input.shape;
    const bound = shape?.map((dim) => (typeof dim === 'string' ? (dims?.get(dim) ?? dim) : dim)) ?? null;
    return toTensorType(input.dtype, bound);
  }

  #inferScope(around: Omit<Frame, 'types'>, record: ScopeRecord, inputs: readonly InferredType[]): InferredType[] {
    const types = new Map<string, InferredType>();
    const frame: Frame = { ...around, types };
    this.#scopes.set(record, types);
    const isOld = this.#document.irVersion < 4;
    const declared = this.#collectDeclared(frame, record);
    const defaults = new Set(record.inputs.map(({ name }) => name));
    record.inputs.forEach(({ name }, i) => types.set(name, this.#merge(frame, null, declared, name, inputs[i])));
    for (const { name, tensor } of record.initializers) {
      // From IR 4 on, an initializer that is an input too is a default that callers may replace.
      if (tensor === null || (defaults.has(name) && !isOld)) continue;
      types.set(name, new ConstantType(tensor, SURGERY_LIMITS.inferValueElementsMax));
    }
    for (const node of record.nodes) this.#inferNode(frame, declared, node);
    return record.outputs.map(({ name }) => findType(frame, name) ?? UNKNOWN);
  }

  /** What the file says of values between nodes and of outputs; nothing in functions, whose names know no call. */
  #collectDeclared(frame: Frame, record: ScopeRecord): ReadonlyMap<string, ValueRecord> {
    if (this.#options.declared === 'inputs' || frame.attributes !== null) return new Map();
    const inner = frame.outer === null ? [] : record.inputs;
    return new Map([...inner, ...record.values, ...record.outputs].map((value) => [value.name, value]));
  }

  #inferNode(frame: Frame, declared: ReadonlyMap<string, ValueRecord>, node: NodeRecord): void {
    this.#visits++;
    const outputs = this.#visits > SURGERY_LIMITS.inferVisitsMax ? this.#giveUp(frame, node) : this.#call(frame, node);
    node.outputs.forEach((name, i) => {
      if (name !== '') frame.types.set(name, this.#merge(frame, node, declared, name, outputs[i]));
    });
  }

  #giveUp(frame: Frame, node: NodeRecord): readonly InferredType[] {
    if (this.#visits === SURGERY_LIMITS.inferVisitsMax + 1) {
      this.#report(frame, node, 'budget', `more than ${SURGERY_LIMITS.inferVisitsMax} nodes`);
    }
    return [];
  }

  #call(frame: Frame, node: NodeRecord): readonly InferredType[] {
    const { domain, op, overload } = node;
    const inputs = node.inputs.map((name) => (name === '' ? undefined : (findType(frame, name) ?? UNKNOWN)));
    const attributes = toResolved(node, frame);
    const id = toFunctionId({ domain, name: op, overload });
    const called = this.#functions.get(id);
    if (called !== undefined) return this.#callFunction(frame, node, called, inputs, attributes);
    const rule = findRule(domain, op);
    if (rule === undefined) {
      this.#unknown.set(id, (this.#unknown.get(id) ?? new Set()).add(node));
      return [];
    }
    return rule(
      new Call({
        node,
        version: frame.opsets.get(domain) ?? NEWEST,
        inputs,
        attributes,
        inferGraph: (graph, fed) => this.#inferSubgraph(frame, graph, fed),
        report: (finding, detail) => {
          this.#report(frame, node, finding, detail);
        },
      }),
    );
  }

  #inferSubgraph(frame: Frame, graph: ScopeRecord, inputs: readonly InferredType[]): readonly InferredType[] {
    return this.#inferScope({ ...frame, path: graph.path, outer: frame }, graph, inputs);
  }

  #callFunction(
    frame: Frame,
    node: NodeRecord,
    { body, defaults, opsets }: FunctionRecord,
    inputs: readonly (InferredType | undefined)[],
    attributes: ReadonlyMap<string, AttributeRecord>,
  ): readonly InferredType[] {
    const depth = frame.depth + 1;
    if (depth > SURGERY_LIMITS.inferCallDepthMax) {
      this.#report(frame, node, 'budget', 'functions call functions too deep');
      return [];
    }
    const given = new Map([...defaults, ...attributes]);
    const fed = body.inputs.map((_, i) => inputs[i] ?? UNKNOWN);
    const inner = { path: body.path, outer: null, opsets: toVersions(opsets), attributes: given, depth };
    return this.#inferScope(inner, body, fed);
  }

  /** What a rule says together with what the file says: the rule is right, the file fills in what it left open. */
  #merge(
    frame: Frame,
    node: NodeRecord | null,
    declared: ReadonlyMap<string, ValueRecord>,
    name: string,
    inferred: InferredType = UNKNOWN,
  ): InferredType {
    const said = declared.get(name);
    if (said === undefined || inferred.kind !== 'tensor') return inferred;
    const report = (detail: string): void => {
      this.#report(frame, node, 'declared', `${name}: ${detail}`);
    };
    return mergeTensor(inferred, said, report);
  }

  #report(frame: Frame, node: NodeRecord | null, rule: FindingId, detail: string): void {
    const name = node === null ? '' : node.name !== '' ? node.name : (node.outputs[0] ?? '');
    this.#findings.add({ rule, scope: frame.path, node: name, detail });
  }
}

function mergeTensor(inferred: TensorType, said: ValueRecord, report: (detail: string) => void): TensorType {
  const { dtype, shape } = inferred;
  if (dtype !== null && said.dtype !== null && dtype !== said.dtype) report(`${said.dtype}, but it is ${dtype}`);
  if (said.shape === null) return dtype !== null || said.dtype === null ? inferred : { ...inferred, dtype: said.dtype };
  if (shape !== null && shape.length !== said.shape.length) {
    report(`rank ${said.shape.length}, but it is ${shape.length}`);
    return { ...inferred, dtype: dtype ?? said.dtype };
  }
  const dims = said.shape.map((dim, axis) => {
    if (shape === null) return dim;
    const unified = findUnified(shape[axis], dim);
    if (unified === undefined) report(`dimension ${axis} is ${dim ?? '?'}, but it is ${shape[axis] ?? '?'}`);
    return unified ?? shape[axis];
  });
  if (shape !== null && dtype !== null && dims.every((dim, axis) => dim === shape[axis])) return inferred;
  return toTensorType(dtype ?? said.dtype, dims, inferred.value);
}

function findType(frame: Frame, name: string): InferredType | undefined {
  for (let at: Frame | null = frame; at !== null; at = at.outer) {
    const type = at.types.get(name);
    if (type !== undefined) return type;
  }
  return undefined;
}

/** Attributes of a node; in a function, references become what the call gives, or are left out. */
function toResolved(node: NodeRecord, { attributes: given }: Frame): ReadonlyMap<string, AttributeRecord> {
  if (given === null) return node.attributes;
  const resolved = new Map<string, AttributeRecord>();
  for (const [name, attribute] of node.attributes) {
    const { reference } = attribute.kind === 'other' ? attribute : {};
    const value = reference === undefined ? attribute : given.get(reference);
    if (value !== undefined) resolved.set(name, value);
  }
  return resolved;
}

function toVersions(opsets: readonly OpsetRecord[]): ReadonlyMap<string, number> {
  return new Map(opsets.map(({ domain, version }) => [domain, version]));
}
