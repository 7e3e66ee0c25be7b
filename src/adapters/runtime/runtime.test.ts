import { execFileSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { builtUrl, describeWithBuilt } from '../../../test/built.ts';
import { runRuntimeSuite } from '../../../test/conformance/runtime.ts';
import { importable } from '../../../test/importable.ts';
import { findRuntime, openNodeRuntime, openWebRuntime } from './index.ts';

const hasNode = await importable('onnxruntime-node');

runRuntimeSuite('onnxruntime-web', { make: openWebRuntime });
if (hasNode) runRuntimeSuite('onnxruntime-node', { make: () => openNodeRuntime({ threads: 1 }) });
else test.skip('onnxruntime-node passes the suite [needs onnxruntime-node]');

describe('findRuntime', () => {
  test('takes the native runtime where it is installed, else WebAssembly', async () => {
    expect((await findRuntime()).id).toBe(hasNode ? 'onnxruntime-node' : 'onnxruntime-web');
    expect((await findRuntime({ prefer: 'web' })).id).toBe('onnxruntime-web');
  });

  test('telemetry is off in the environment before a runtime is loaded', async () => {
    delete process.env.ORT_DISABLE_TELEMETRY;
    await findRuntime({ prefer: 'web' });
    expect(process.env.ORT_DISABLE_TELEMETRY).toBe('1');
  });
});

describeWithBuilt('a worker thread', 'adapters/runtime/index.js', () => {
  const source = `
    import { parentPort } from 'node:worker_threads';
    import { findRuntime } from '${builtUrl('adapters/runtime/index.js')}';
    parentPort.postMessage(await findRuntime().then(() => 'loaded', (error) => error.code));`;
  const ask = (env: NodeJS.ProcessEnv): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { env });
      worker.once('message', resolve);
      worker.once('error', reject);
    });

  test('RUNTIME_TELEMETRY_ON: whose parent did not switch telemetry off loads nothing', async () => {
    expect(await ask({ PATH: process.env.PATH })).toBe('RUNTIME_TELEMETRY_ON');
    expect(await ask({ PATH: process.env.PATH, ORT_DISABLE_TELEMETRY: '1' })).toBe('loaded');
  });
});

describeWithBuilt('a process without any runtime', 'adapters/runtime/index.js', () => {
  /** Resolves the named packages to nothing, as if they were not installed. */
  const ask = (missing: readonly string[]): string => {
    const hook = `export const resolve = (name, context, next) => {
      if (${JSON.stringify(missing)}.includes(name)) throw new Error('not installed');
      return next(name, context);
    };`;
    const source = `
      import { register } from 'node:module';
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
      const { findRuntime } = await import('${builtUrl('adapters/runtime/index.js')}');
      console.log(await findRuntime().then((runtime) => runtime.id, (error) => error.code));`;
    return execFileSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' }).trim();
  };

  test('RUNTIME_UNAVAILABLE: neither package can be loaded; without the native one, WebAssembly runs', () => {
    expect(ask(['onnxruntime-node', 'onnxruntime-web'])).toBe('RUNTIME_UNAVAILABLE');
    expect(ask(['onnxruntime-node'])).toBe('onnxruntime-web');
  });
});
