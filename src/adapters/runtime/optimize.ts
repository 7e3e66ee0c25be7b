/** The GraphOptimizer port on onnxruntime-node: the saved graph goes through a folder of its own, which is removed. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RuntimeError } from '../../core/errors.ts';
import type { GraphOptimizer } from '../../model/runtime.ts';
import { loadSession, type OrtModule } from './session.ts';
import { switchTelemetryOff } from './telemetry.ts';

/** A variable, so that the compiler does not look for the types of a package that may be absent. */
const PACKAGE = 'onnxruntime-node' as string;

/** @throws RuntimeError RUNTIME_OPTIMIZER_UNAVAILABLE when the native runtime cannot be loaded; RUNTIME_TELEMETRY_ON */
export async function openOptimizer(): Promise<GraphOptimizer> {
  switchTelemetryOff();
  let ort: OrtModule;
  try {
    ort = (await import(PACKAGE)) as OrtModule;
  } catch {
    throw new RuntimeError('RUNTIME_OPTIMIZER_UNAVAILABLE');
  }
  ort.env.logLevel = 'fatal';
  return {
    version: ort.env.versions.node ?? 'unknown',
    optimize: async (model, level) => {
      const folder = mkdtempSync(join(tmpdir(), 'modelward-optimised-'));
      try {
        const optimizedPath = join(folder, 'model.onnx');
        const session = await loadSession(ort, model, { provider: 'cpu', threads: 1, optimizedPath, level });
        await session.release();
        return new Uint8Array(readFileSync(optimizedPath));
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}
