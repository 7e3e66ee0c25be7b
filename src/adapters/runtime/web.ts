/** The Runtime port on onnxruntime-web: WebAssembly on the CPU of this process, one thread, from the installed package. */
import type { Runtime } from '../../model/runtime.ts';
import { loadSession, type OrtModule } from './session.ts';
import { switchTelemetryOff } from './telemetry.ts';

/**
 * Loads the WebAssembly runtime. Released sessions leave fragments of weights in its memory, which lives as long as
 * the process: where weights are secret, run it in a child process that ends.
 * @throws RuntimeError RUNTIME_TELEMETRY_ON; whatever `import` throws when the package is missing
 */
export async function openWebRuntime(): Promise<Runtime> {
  switchTelemetryOff();
  const ort: OrtModule = await import('onnxruntime-web');
  // One thread needs no shared memory and no worker; the .wasm file is then read from the package's folder.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.proxy = false;
  ort.env.logLevel = 'fatal';
  return {
    id: 'onnxruntime-web',
    version: ort.env.versions.web ?? 'unknown',
    load: async (model) => {
      const session = await inTurn(() => loadSession(ort, model, { provider: 'wasm', threads: 1 }));
      return {
        ...session,
        run: (feeds) => inTurn(() => session.run(feeds)),
        release: () => inTurn(() => session.release()),
      };
    },
  };
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Runs `work` after all work before it. All sessions of a process share one WebAssembly instance with one stack and one
 * table of mounted external data: calls that overlap end in "function signature mismatch", or in another's weights.
 */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const next = last.then(work);
  last = next.catch(() => undefined);
  return next;
}
