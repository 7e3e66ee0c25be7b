/** Describes a model without running it: files, tensors, graph, types, metadata. */
import type { Graph, Model, TensorRef, ValueInfo } from '../model/types.ts';
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
  readonly functions: readonly string[];
  readonly opsets: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** @throws FormatError | SourceError | SealError */
export async function inspectModel(
  services: Services,
  openSession: () => Session,
  options: OpenAnyOptions,
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
