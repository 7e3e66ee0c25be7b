/** The Runtime port: something that can run a model from memory. Two adapters exist; reports name which one ran. */
import type { DType } from './dtype.ts';
import type { ValueInfo } from './types.ts';

/** A dense value: packed little-endian row-major bytes. Strings are not supported. */
export interface RuntimeTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** A whole model in memory: the main file, and its external data files by the name used inside it. */
export interface RuntimeModel {
  readonly main: Uint8Array;
  readonly external: readonly { readonly path: string; readonly data: Uint8Array }[];
}

/**
 * Loads models. An implementer must switch telemetry off before its engine loads, must not write files or open
 * connections, must copy what it keeps (callers zero their buffers after `load`), and must reject with RuntimeError
 * RUNTIME_LOAD_FAILED when the engine refuses the model.
 */
export interface Runtime {
  readonly id: 'onnxruntime-node' | 'onnxruntime-web';
  readonly version: string;
  load(model: RuntimeModel): Promise<RuntimeSession>;
}

export interface RuntimeSession {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** @throws RuntimeError RUNTIME_RUN_FAILED */
  run(feeds: ReadonlyMap<string, RuntimeTensor>): Promise<ReadonlyMap<string, RuntimeTensor>>;
  release(): Promise<void>;
}

/** A model that was loaded, and by what. */
export interface LoadedSession extends RuntimeSession {
  readonly runtime: { readonly id: string; readonly version: string };
}

/** Time of one node of the graph that the engine runs, over all measured runs. */
export interface NodeTiming {
  /** As the engine calls it; nodes that it fused have names of their own. */
  readonly name: string;
  readonly op: string;
  /** How often it ran: once a run, or more in loops. */
  readonly count: number;
  /** Sum of all, µs. */
  readonly totalUs: number;
}

export interface Profile {
  readonly version: string;
  readonly runs: number;
  /** Whole runs together, µs. */
  readonly totalUs: number;
  /** Slowest first. */
  readonly nodes: readonly NodeTiming[];
}

export interface ProfileOptions {
  /** Measured runs, after one that is not counted. */
  readonly runs: number;
  /** False: nodes as the file has them, without the engine's optimisations. */
  readonly isOptimized: boolean;
}

/** Times the nodes of a model. An implementer leaves no file behind. */
export interface Profiler {
  /** @throws RuntimeError RUNTIME_PROFILE_UNAVAILABLE | RUNTIME_LOAD_FAILED | RUNTIME_RUN_FAILED */
  profile(model: RuntimeModel, feeds: ReadonlyMap<string, RuntimeTensor>, options: ProfileOptions): Promise<Profile>;
}

export type OptimizationLevel = 'basic' | 'extended' | 'all';

/** Saves a model as an engine rewrites it before it runs it. An implementer leaves no file behind. */
export interface GraphOptimizer {
  readonly version: string;
  /** The bytes of the rewritten model, one file. @throws RuntimeError RUNTIME_LOAD_FAILED */
  optimize(model: RuntimeModel, level: OptimizationLevel): Promise<Uint8Array>;
}
