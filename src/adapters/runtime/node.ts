/** The Runtime port on onnxruntime-node, the native library; an optional peer, loaded only when asked for. */
import type { Runtime } from '../../model/runtime.ts';
import { loadSession, type OrtModule } from './session.ts';
import { switchTelemetryOff } from './telemetry.ts';

/** A variable, so that the compiler does not look for the types of a package that may be absent. */
const PACKAGE = 'onnxruntime-node' as string;

export interface NodeRuntimeOptions {
  /** Threads inside one operator, 1 unless told. */
  readonly threads?: number;
}

/**
 * Loads the native runtime.
 * @throws RuntimeError RUNTIME_TELEMETRY_ON; whatever `import` throws when the package is missing or has no binary
 *   for this platform (musl, Intel Macs)
 */
export async function openNodeRuntime(options: NodeRuntimeOptions = {}): Promise<Runtime> {
  switchTelemetryOff();
  const ort = (await import(PACKAGE)) as OrtModule;
  ort.env.logLevel = 'fatal';
  return {
    id: 'onnxruntime-node',
    version: ort.env.versions.node ?? 'unknown',
    load: (model) => loadSession(ort, model, { provider: 'cpu', threads: options.threads ?? 1 }),
  };
}
