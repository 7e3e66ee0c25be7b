/** Runs a sealed model inside this process: simple, and it leaves fragments of the weights in this process's memory. */
import type { Runtime, RuntimeModel } from '../../model/runtime.ts';
import type { SealedLoad, SealedRunner } from '../../seal/ports.ts';

/** Opens a sealed file into memory; the result is wiped as soon as a runtime has its copy. */
export type OpenPlaintext = (request: SealedLoad) => { readonly model: RuntimeModel; wipe(): void };

/**
 * A runner without a child process. Our own buffers are wiped after loading, but the runtime's allocator keeps copies
 * and fragments of the weights for as long as the process lives, also after `release`. Use the child-process runner
 * where that matters.
 */
export function createInProcessRunner(services: {
  readonly openPlaintext: OpenPlaintext;
  readonly openRuntime: () => Promise<Runtime>;
}): SealedRunner {
  return {
    load: async (request) => {
      const runtime = await services.openRuntime();
      const plaintext = services.openPlaintext(request);
      try {
        const session = await runtime.load(plaintext.model);
        return {
          runtime: { id: runtime.id, version: runtime.version },
          inputs: session.inputs,
          outputs: session.outputs,
          run: (feeds) => session.run(feeds),
          release: () => session.release(),
        };
      } finally {
        plaintext.wipe();
      }
    },
  };
}
