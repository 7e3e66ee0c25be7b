import { describe, expect, test } from 'vitest';
import { RuntimeError } from '../../core/errors.ts';
import type { Runtime, RuntimeModel, RuntimeSession } from '../../model/runtime.ts';
import { createInProcessRunner } from './in-process.ts';

const request = { sealedPath: '/in/net.seal', dek: new Uint8Array(32) };

function makeServices(load: (model: RuntimeModel) => Promise<RuntimeSession>): {
  plaintext: Uint8Array;
  services: Parameters<typeof createInProcessRunner>[0];
} {
  const plaintext = Uint8Array.of(1, 2, 3);
  const runtime: Runtime = { id: 'onnxruntime-web', version: '0', load };
  const openPlaintext = (): { model: RuntimeModel; wipe: () => void } => ({
    model: { main: plaintext, external: [] },
    wipe: () => plaintext.fill(0),
  });
  return { plaintext, services: { openPlaintext, openRuntime: () => Promise.resolve(runtime) } };
}

describe('a sealed model in this process', () => {
  test('the runtime sees the plaintext, and our copy is wiped once it is loaded', async () => {
    let seen: number[] = [];
    const session = {
      inputs: [],
      outputs: [],
      run: () => Promise.resolve(new Map()),
      release: () => Promise.resolve(),
    };
    const { plaintext, services } = makeServices((model) => {
      seen = [...model.main];
      return Promise.resolve(session);
    });
    const sealed = await createInProcessRunner(services).load(request);
    expect(seen).toEqual([1, 2, 3]);
    expect([...plaintext]).toEqual([0, 0, 0]);
    expect(sealed.runtime).toEqual({ id: 'onnxruntime-web', version: '0' });
    expect(await sealed.run(new Map())).toEqual(new Map());
  });

  test('our copy is wiped when the runtime refuses the model', async () => {
    const { plaintext, services } = makeServices(() => Promise.reject(new RuntimeError('RUNTIME_LOAD_FAILED')));
    const attempt = createInProcessRunner(services).load(request);
    await expect(attempt).rejects.toMatchObject({ code: 'RUNTIME_LOAD_FAILED' });
    expect([...plaintext]).toEqual([0, 0, 0]);
  });
});
