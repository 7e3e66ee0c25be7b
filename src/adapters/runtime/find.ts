/** Chooses the runtime: the native one where it is installed and loads, else WebAssembly. */
import { RuntimeError } from '../../core/errors.ts';
import type { Runtime } from '../../model/runtime.ts';
import { openNodeRuntime } from './node.ts';
import { openWebRuntime } from './web.ts';

export interface FindRuntimeOptions {
  /** Tried first; the other one follows. 'node' unless told. */
  readonly prefer?: 'node' | 'web';
  /** Threads inside one operator of the native runtime, 1 unless told. */
  readonly threads?: number;
}

/**
 * The first runtime that loads. Nothing of either is loaded before this call.
 * @throws RuntimeError RUNTIME_UNAVAILABLE when neither loads; RUNTIME_TELEMETRY_ON
 */
export async function findRuntime(options: FindRuntimeOptions = {}): Promise<Runtime> {
  const node = (): Promise<Runtime> => openNodeRuntime({ threads: options.threads ?? 1 });
  const order = options.prefer === 'web' ? [openWebRuntime, node] : [node, openWebRuntime];
  let cause: unknown;
  for (const open of order) {
    try {
      return await open();
    } catch (error) {
      if (error instanceof RuntimeError) throw error;
      cause = error;
    }
  }
  throw new RuntimeError('RUNTIME_UNAVAILABLE', { cause });
}
