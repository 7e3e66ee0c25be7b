/** Describes a model without running it: files, tensors, graph, types, metadata. */
import { ModelwardError } from '../core/errors.ts';
import { readGraphDocument } from '../formats/index.ts';
import type { Graph, Model, TensorRef, ValueInfo } from '../model/types.ts';
import { type GraphCost, inferDocument, type InferredType, toGraphCost } from '../surgery/index.ts';
import { openAnyModel, type OpenAnyOptions } from './open-model.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';

export interface TensorReport {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly storage: string;
  readonly file: string;
  readonly start: number;
  readonly end: number;
  /** Where the format keeps scales with the tensor: how many, and for which axis (null: one for all). */
  readonly quantization?: { readonly axis: number | null; readonly scales: number };
}

export interface NodeReport {
  /** Path of the scope; "" for the main graph. */
  readonly scope: string;
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  /** Types and shapes by position, such as "f32[N, 3, 8, 8]"; "?" when unknown, "" when omitted. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Elements of the weights that it is the first to read. */
  readonly parameters: number;
  /** Multiply-accumulates and operations at `sizes`; null when unknown. */
  readonly macs: number | null;
  readonly flops: number | null;
}

/** What the graph costs to run once. */
export interface CostReport extends Omit<GraphCost, 'nodes'> {
  /** Lengths taken for the symbolic dimensions of inputs: those given, and 1. */
  readonly sizes: Readonly<Record<string, number>>;
  readonly nodes: readonly NodeReport[];
}

export interface InspectReport {
  readonly name: string;
  readonly format: string;
  readonly isSealed: boolean;
  readonly sealId: string | null;
  readonly files: readonly { readonly name: string; readonly sizeBytes: number }[];
  readonly parameters: number;
  readonly tensors: readonly TensorReport[];
  /** Null for formats without a graph. */
  readonly graph: {
    readonly inputs: readonly ValueInfo[];
    readonly outputs: readonly ValueInfo[];
    readonly nodes: readonly { readonly name: string; readonly op: string; readonly domain: string }[];
    /** Number of nodes by operator, most frequent first. */
    readonly operators: readonly { readonly op: string; readonly count: number }[];
  } | null;
  /** Null for formats without a graph, and graphs that are not read as a whole. */
  readonly cost: CostReport | null;
  readonly functions: readonly string[];
  readonly opsets: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** @throws FormatError | SourceError | SealError */
export async function inspectModel(
  services: Services,
  openSession: () => Session,
  options: OpenAnyOptions & { readonly dims?: Readonly<Record<string, number>> },
): Promise<InspectReport> {
  // A plain model needs no owner: the session is opened only when a key is asked for.
  let session: Session | undefined;
  const recorder = () => {
    session ??= openSession();
    return session.recorder;
  };
  try {
    const { model, name, isSealed, sealId } = await openAnyModel(services, recorder, options);
    try {
      return {
        name,
        format: model.format,
        isSealed,
        sealId,
        files: model.files.map((file) => ({ name: file.name, sizeBytes: file.source.size })),
        parameters: model.tensors.reduce((sum, tensor) => sum + tensor.elementCount, 0),
        tensors: model.tensors.map((tensor) => toTensorReport(model, tensor)),
        graph: model.graph === null ? null : toGraphReport(model.graph),
        cost: findCost(model, options.dims ?? {}),
        functions: [...model.functions.keys()],
        opsets: Object.fromEntries(model.opsets),
        metadata: Object.fromEntries(model.metadata),
      };
    } finally {
      model.close();
    }
  } finally {
    session?.close();
  }
}

function toTensorReport(model: Model, tensor: TensorRef): TensorReport {
  const { name, dtype, shape, storage, fileIndex, start, end, quantization } = tensor;
  const place = { storage, file: model.files[fileIndex].name, start, end };
  const scales = quantization ? { quantization: { axis: quantization.axis, scales: quantization.count } } : {};
  return { name, dtype, shape, ...place, ...scales };
}

function toGraphReport(graph: Graph): NonNullable<InspectReport['graph']> {
  const counts = new Map<string, number>();
  for (const { op } of graph.nodes) counts.set(op, (counts.get(op) ?? 0) + 1);
  return {
    inputs: graph.inputs,
    outputs: graph.outputs,
    nodes: graph.nodes.map(({ name, op, domain }) => ({ name, op, domain })),
    operators: [...counts].map(([op, count]) => ({ op, count })).sort((a, b) => b.count - a.count),
  };
}

function findCost(model: Model, dims: Readonly<Record<string, number>>): CostReport | null {
  if (model.graph === null || model.format !== 'onnx') return null;
  try {
    const document = readGraphDocument(model);
    const { graph } = model;
    const names = graph.inputs.flatMap(({ shape }) => shape ?? []).filter((dim) => typeof dim === 'string');
    const sizes = Object.fromEntries(names.map((name) => [name, Object.hasOwn(dims, name) ? dims[name] : 1]));
    const open = graph.inputs.filter(({ shape }) => shape?.includes(null) === true);
    const inputShapes = new Map(
      open.map(({ name, shape }) => [name, shape!.map((dim) => (typeof dim === 'string' ? sizes[dim] : (dim ?? 1)))]),
    );
    const inference = inferDocument(document, { dims: new Map(Object.entries(sizes)), inputShapes });
    const { nodes, ...totals } = toGraphCost(document, inference);
    return { ...totals, sizes, nodes: nodes.map(toNodeReport) };
  } catch (error) {
    // Graphs with parts that surgery refuses are described as far as the index goes.
    if (error instanceof ModelwardError && error.code === 'FORMAT_GRAPH_UNSUPPORTED') return null;
    throw error;
  }
}

function toNodeReport({ inputs, outputs, ...node }: GraphCost['nodes'][number]): NodeReport {
  return { ...node, inputs: inputs.map(toTypeText), outputs: outputs.map(toTypeText) };
}

function toTypeText(type: InferredType | undefined): string {
  if (type === undefined) return '';
  if (type.kind !== 'tensor') return `${type.kind} of ${toTypeText(type.element)}`;
  const { dtype, shape } = type;
  return `${dtype ?? '?'}${shape === null ? '[?]' : `[${shape.map((dim) => dim ?? '?').join(', ')}]`}`;
}
