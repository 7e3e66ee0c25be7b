import { afterEach, describe, expect, test } from 'vitest';
import { RuntimeError } from '../../../core/errors.ts';
import { MetricsRegistry, type ModelConfig, readGatewayConfig } from '../../../gateway/index.ts';
import type { RuntimeSession } from '../../../model/runtime.ts';
import type { ValueInfo } from '../../../model/types.ts';
import { openModels, type OpenedModels } from './models.ts';
import type { ChangeTerms } from './reload.ts';

const KEEP = { isSignatureFree: false };
const signal = new AbortController().signal;
const of = (name: string, length: number): ValueInfo => ({ name, dtype: 'f32', shape: [1, length] });
const toModels = (...versions: readonly string[]) => readGatewayConfig({ models: versions.map(toModel) });
const reload = (of: OpenedModels, version: string, terms: ChangeTerms) =>
  of.prepareModel({ name: 'digits', version, terms });
const toModel = (version: string) => ({ name: 'digits', version, file: `/${version}.onnx` });

/** Files by their paths: what a model of them answers, and how many values it takes; 0 for one that is broken. */
interface Disk {
  readonly answer: number;
  readonly length: number;
}

let models: OpenedModels | null = null;
afterEach(async () => {
  await models?.table.close();
});

async function open(versions: readonly string[]) {
  const disk = new Map<string, Disk>(
    ['1', '2', '3'].map((name) => [`/${name}.onnx`, { answer: Number(name), length: 2 }]),
  );
  const engines: { readonly answer: number; isReleased: boolean }[] = [];
  const load = ({ file }: ModelConfig): RuntimeSession => {
    const { answer, length } = disk.get(file)!;
    if (length === 0) throw new RuntimeError('RUNTIME_LOAD_FAILED');
    const engine = { answer, isReleased: false };
    engines.push(engine);
    const data = new Uint8Array(Float32Array.of(answer).buffer);
    return {
      inputs: [of('x', length)],
      outputs: [of('y', 1)],
      run: () => {
        if (engine.answer === 666) throw new RuntimeError('RUNTIME_LOAD_FAILED');
        return Promise.resolve(new Map([['y', { dtype: 'f32' as const, shape: [1, 1], data }]]));
      },
      release: () => Promise.resolve(void (engine.isReleased = true)),
    };
  };
  const [troubles, timers]: [string[], (() => void)[]] = [[], []];
  models = await openModels(toModels(...versions), {
    toOpener: (model) => () =>
      new Promise((done) => {
        done(load(model));
      }),
    defer: (work) => setImmediate(work),
    after: (ms, work) => {
      if (ms < 1000) timers.push(work);
      return () => undefined;
    },
    onTrouble: (code) => troubles.push(code),
    operations: { registry: new MetricsRegistry(0), toStamp: ({ file }) => JSON.stringify(disk.get(file)) },
  });
  const ask = async (version: string | null): Promise<number> => {
    const x = { name: 'x', dtype: 'f32' as const, shape: [1, 2], data: new Uint8Array(8) };
    const [{ data }] = await models!.table.find('digits', version)!.run([x], signal);
    return new Float32Array(data.slice().buffer)[0];
  };
  return { models, disk, engines, ask, troubles, timers };
}

describe('the file of a version', () => {
  test('is loaded anew in its place: who names no version still gets the last one', async () => {
    const { models: opened, disk, engines, ask } = await open(['1', '2']);
    disk.set('/1.onnx', { answer: 10, length: 2 });
    const before = ask('1');
    (await reload(opened, '1', KEEP)).commit();
    expect([await before, await ask('1'), await ask(null)]).toEqual([1, 10, 2]);
    await new Promise(setImmediate);
    expect(engines.map(({ answer, isReleased }) => [answer, isReleased])).toEqual([
      [1, true],
      [2, false],
      [10, false],
    ]);
    await expect(reload(opened, '3', KEEP)).rejects.toMatchObject({ code: 'ADMIN_MODEL_UNKNOWN' });
  });

  test('that is broken changes nothing', async () => {
    const { models: opened, disk, engines, ask } = await open(['1']);
    disk.set('/1.onnx', { answer: 10, length: 0 });
    await expect(reload(opened, '1', KEEP)).rejects.toMatchObject({ code: 'RUNTIME_LOAD_FAILED' });
    expect([await ask('1'), engines.length]).toEqual([1, 1]);
  });

  test('a file that takes other tensors is refused unless that is asked for; the one before serves on', async () => {
    const { models: opened, disk, engines, ask } = await open(['1']);
    disk.set('/1.onnx', { answer: 10, length: 3 });
    await expect(reload(opened, '1', KEEP)).rejects.toMatchObject({ code: 'ADMIN_SIGNATURE_CHANGED' });
    expect(await ask('1')).toBe(1);
    expect(engines.map(({ isReleased }) => isReleased)).toEqual([false, true]);
    (await reload(opened, '1', { isSignatureFree: true })).commit();
    expect(opened.table.find('digits', '1')?.signature.inputs[0].shape).toEqual([1, 3]);
  });

  test('that takes other tensors does not take the place of an instance that failed', async () => {
    const { disk, ask, troubles, timers } = await open(['3']);
    disk.set('/3.onnx', { answer: 666, length: 2 });
    (await reload(models!, '3', KEEP)).commit();
    disk.set('/3.onnx', { answer: 10, length: 3 });
    await expect(ask('3')).rejects.toMatchObject({ code: 'GATEWAY_MODEL_UNAVAILABLE' });
    await new Promise(setImmediate);
    expect(troubles).toEqual(['RUNTIME_LOAD_FAILED', 'ADMIN_SIGNATURE_CHANGED']);
    disk.set('/3.onnx', { answer: 3, length: 2 });
    for (const retry of timers.splice(0)) retry();
    await new Promise(setImmediate);
    expect(await ask('3')).toBe(3);
  });
});

describe('another list of versions', () => {
  test('holds once it is committed, in its order: what is the same was not loaded again', async () => {
    const { models: opened, disk, engines, ask } = await open(['1', '2']);
    disk.set('/2.onnx', { answer: 20, length: 2 });
    const change = await opened.prepare(toModels('3', '2'), KEEP);
    expect([await ask('1'), await ask('2')]).toEqual([1, 2]);
    change.commit();
    expect(opened.table.list().map(({ version }) => version)).toEqual(['3', '2']);
    expect([await ask('3'), await ask(null)]).toEqual([3, 20]);
    await new Promise(setImmediate);
    expect(engines.filter(({ isReleased }) => isReleased).map(({ answer }) => answer)).toEqual([1, 2]);
    (await opened.prepare(toModels('2', '3'), KEEP)).commit();
    expect([engines.length, await ask(null)]).toEqual([4, 3]);
  });

  test('that is not to hold, or has a broken file, leaves no model behind', async () => {
    const { models: opened, disk, engines, ask } = await open(['1']);
    await (await opened.prepare(toModels('1', '2'), KEEP)).discard();
    disk.set('/3.onnx', { answer: 3, length: 0 });
    await expect(opened.prepare(toModels('2', '3'), KEEP)).rejects.toMatchObject({ code: 'RUNTIME_LOAD_FAILED' });
    expect(engines.map(({ answer, isReleased }) => [answer, isReleased])).toEqual([
      [1, false],
      [2, true],
      [2, true],
    ]);
    expect([await ask(null), opened.table.list().length]).toEqual([1, 1]);
  });
});
