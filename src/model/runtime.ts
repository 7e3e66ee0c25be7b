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
