/** What both onnxruntime adapters share: session options, loading, running, and errors that quote little. */
import type { env, InferenceSession, InferenceSessionFactory, Tensor, TensorConstructor } from 'onnxruntime-web';
import { type ErrorCode, RuntimeError } from '../../core/errors.ts';
import type { OptimizationLevel, RuntimeModel, RuntimeSession, RuntimeTensor } from '../../model/runtime.ts';
import type { ValueInfo } from '../../model/types.ts';
import { decodeTensor, encodeTensor, findDType } from './tensors.ts';

/** The part of `onnxruntime-web` and `onnxruntime-node` that is used; both export the same interface. */
export interface OrtModule {
  readonly InferenceSession: InferenceSessionFactory;
  readonly Tensor: TensorConstructor;
  readonly env: typeof env;
}

export interface SessionOptions {
  readonly provider: 'cpu' | 'wasm';
  /** Threads inside one operator; the runs themselves are one after another. */
  readonly threads: number;
  /** Where the engine writes its profile when the session is released: the beginning of the file's path. */
  readonly profilePrefix?: string;
  /** Where the engine saves the graph as it rewrote it. */
  readonly optimizedPath?: string;
  /** How far it rewrites; as far as it can unless told. */
  readonly level?: OptimizationLevel;
  /** False: the graph runs as it is written. True unless told. */
  readonly isOptimized?: boolean;
}

/** Fatal messages only: errors reach the caller as exceptions, and the engine would print them to stderr as well. */
const QUIET = 4;

/** Long enough for the name of an operator, short enough to quote no weights. */
const reasonCharsMax = 200;

/** The first line of the engine's message, cut and reduced to printable ASCII: it may quote text from the model. */
function toReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [line] = text.replace(/^.*ERROR_MESSAGE: /, '').split('\n', 1);
  return line.replace(/[^\x20-\x7e]/g, '?').slice(0, reasonCharsMax);
}

/** The engine's own error is not kept as cause, because its text is not bounded. */
function toRuntimeError(code: ErrorCode, error: unknown): RuntimeError {
  if (error instanceof RuntimeError) return error;
  const reason = toReason(error);
  const isDType = code === 'RUNTIME_LOAD_FAILED' && /unsupported data type/i.test(reason);
  return new RuntimeError(isDType ? 'RUNTIME_DTYPE_UNSUPPORTED' : code, { fields: { reason } });
}

function toValueInfo(meta: InferenceSession.ValueMetadata): ValueInfo {
  if (!meta.isTensor) return { name: meta.name, dtype: null, shape: null };
  // An unnamed dimension is "" in the native binding, and -1 read as unsigned in the WebAssembly one.
  const shape = meta.shape.map((dim) => (dim === '' || dim === 0xffffffff ? null : dim));
  return { name: meta.name, dtype: findDType(meta.type) ?? null, shape };
}

/** @throws RuntimeError RUNTIME_LOAD_FAILED | RUNTIME_DTYPE_UNSUPPORTED */
export async function loadSession(
  ort: OrtModule,
  model: RuntimeModel,
  options: SessionOptions,
): Promise<RuntimeSession> {
  try {
    const session = await ort.InferenceSession.create(model.main, {
      executionProviders: [options.provider],
      externalData: model.external.map(({ path, data }) => ({ path, data })),
      executionMode: 'sequential',
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      logSeverityLevel: QUIET,
      ...(options.profilePrefix !== undefined && { enableProfiling: true, profileFilePrefix: options.profilePrefix }),
      ...(options.optimizedPath !== undefined && { optimizedModelFilePath: options.optimizedPath }),
      ...(options.level !== undefined && { graphOptimizationLevel: options.level }),
      ...(options.isOptimized === false && { graphOptimizationLevel: 'disabled' }),
    });
    return toRuntimeSession(ort, session);
  } catch (error) {
    throw toRuntimeError('RUNTIME_LOAD_FAILED', error);
  }
}

function toRuntimeSession(ort: OrtModule, session: InferenceSession): RuntimeSession {
  const outputs = session.outputMetadata.map(toValueInfo);
  // Sequences and maps (classifiers of scikit-learn) cannot be passed; the tensors beside them can.
  const wanted = session.outputMetadata
    .filter((meta) => meta.isTensor && meta.type !== 'string')
    .map(({ name }) => name);
  return {
    inputs: session.inputMetadata.map(toValueInfo),
    outputs,
    run: async (feeds) => {
      try {
        return await runSession(ort, session, feeds, wanted);
      } catch (error) {
        throw toRuntimeError('RUNTIME_RUN_FAILED', error);
      }
    },
    release: () => session.release(),
  };
}

async function runSession(
  ort: OrtModule,
  session: InferenceSession,
  feeds: ReadonlyMap<string, RuntimeTensor>,
  wanted: readonly string[],
): Promise<ReadonlyMap<string, RuntimeTensor>> {
  const inputs: Record<string, Tensor> = Object.create(null) as Record<string, Tensor>;
  for (const [name, value] of feeds) inputs[name] = encodeTensor(ort.Tensor, name, value);
  const results = await session.run(inputs, wanted, { logSeverityLevel: QUIET });
  const outputs = new Map<string, RuntimeTensor>();
  for (const name of wanted) {
    const tensor = results[name] as Tensor | undefined;
    if (tensor === undefined) throw new Error(`internal error: no output ${name}`);
    outputs.set(name, decodeTensor(name, tensor));
    tensor.dispose();
  }
  return outputs;
}
