/** A sealed model goes by licence straight into the runtime: no plaintext in a file, and the answers of the plain model. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { findRuntime } from '../../src/adapters/runtime/index.ts';
import { createInProcessRunner } from '../../src/adapters/sealed-runner/index.ts';
import type { RuntimeTensor } from '../../src/model/runtime.ts';
import { readPlaintext } from '../../src/seal/index.ts';
import { openFileSource } from '../../src/source/index.ts';
import { activateLicense, loadLicensed } from '../../src/workflows/license/index.ts';
import { loadPlain } from '../../src/workflows/run-model.ts';
import { type Kit, makeKit } from './kit.ts';

const path = resolve(import.meta.dirname, '../../samples/mlp.onnx');
let kit: Kit;
afterEach(() => {
  kit.remove();
});

test('loadLicensed', async () => {
  kit = makeKit({ files: [{ name: 'mlp.onnx', bytes: readFileSync(path) }] });
  const runner = createInProcessRunner({
    openRuntime: () => findRuntime(),
    openPlaintext: ({ sealedPath, dek }) => readPlaintext({ source: openFileSource(sealedPath), dek }),
  });
  const services = { ...kit.device, openSealedRunner: () => runner };
  const { file } = await kit.issue();
  const options = { path: kit.sealPath, file, statusList: null, needs: ['vision'] };
  await expect(loadLicensed(services, kit.trust, options)).rejects.toMatchObject({ code: 'LICENSE_NOT_ACTIVATED' });
  await activateLicense(kit.device, kit.trust, file);
  const licensed = await loadLicensed(services, kit.trust, options);
  const plain = await loadPlain({ openRuntime: () => findRuntime() }, { path });
  const [{ name, shape }] = plain.inputs;
  const dims = (shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 1));
  const data = Float32Array.from({ length: dims.reduce((all, dim) => all * dim, 1) }, (_, at) => Math.sin(at));
  const feeds: ReadonlyMap<string, RuntimeTensor> = new Map([
    [name, { dtype: 'f32', shape: dims, data: new Uint8Array(data.buffer) }],
  ]);
  expect(await licensed.run(feeds)).toEqual(await plain.run(feeds));
  expect(licensed.judgement.standing).toBe('VALID');
  await Promise.all([licensed.release(), plain.release()]);
  expect(readdirSync(kit.folder).filter((name) => name.endsWith('.onnx'))).toEqual([]);
  expect(readdirSync(join(kit.device.deviceFolder)).sort()).toEqual([
    ...['counter', 'ledger', 'licenses', 'lock', 'state.json'],
  ]);
});
