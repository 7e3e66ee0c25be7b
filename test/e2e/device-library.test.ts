/** The guide's example of a product, run as it stands there against the built package: enrolled, activated, answers, without a file in the clear. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { builtUrl, describeWithBuilt } from '../built.ts';
import { createWorkplace, root, samples, type Workplace } from './command.ts';

const guide = readFileSync(join(root, 'docs/licences.md'), 'utf8');
const example = /```ts\n([\s\S]*?)```/.exec(guide)?.[1] ?? '';

describeWithBuilt('a product with a licence', 'device/index.js', () => {
  let vendor: Workplace;
  let product: Workplace;
  beforeAll(() => {
    vendor = createWorkplace();
    product = createWorkplace();
    mkdirSync(join(product.folder, 'state'));
  });
  afterAll(() => {
    vendor.remove();
    product.remove();
  });

  /** Runs a script with what the example has at hand; the last line that it prints, as JSON. */
  function run(body: string): Record<string, unknown> {
    const script = [
      `const VENDOR_KEY = ${JSON.stringify(vendor.run(['keys', 'show']).stdout)};`,
      `const STATE = ${JSON.stringify(join(product.folder, 'state'))};`,
      body,
    ].join('\n');
    const text = script.replaceAll(`'modelward/device'`, `'${builtUrl('device/index.js')}'`);
    writeFileSync(join(product.folder, 'product.mjs'), text);
    const options = { cwd: product.folder, encoding: 'utf8' } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['product.mjs'], options);
    expect(status, stderr).toBe(0);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
  }

  test('enrols, is refused before it is activated, activates, and answers as the plain model does', () => {
    vendor.json(['seal', join(samples, 'mlp.onnx'), '--out', join(product.folder, 'model.seal')]);
    const enrolled = run(`
      import { writeFileSync } from 'node:fs';
      import { openDevice } from 'modelward/device';
      const device = openDevice({ vendorKeys: [VENDOR_KEY], audience: 'acme-vision', folder: STATE });
      const { enrolment, assurance } = await device.enrol();
      writeFileSync('enrolment.json', enrolment);
      console.log(JSON.stringify({ assurance }));`);
    expect(enrolled).toEqual({ assurance: 'software' });
    copyFileSync(join(product.folder, 'enrolment.json'), join(vendor.folder, 'enrolment.json'));
    const terms = ['--to', 'Acme', '--audience', 'acme-vision', '--entitlement', 'vision'];
    const sealed = join(product.folder, 'model.seal');
    vendor.json(['license', 'issue', sealed, '--enrolment', 'enrolment.json', ...terms, '--out', 'license.json']);
    copyFileSync(join(vendor.folder, 'license.json'), join(product.folder, 'license.json'));

    const refused = run(`
      import { readFileSync } from 'node:fs';
      import { openDevice } from 'modelward/device';
      const license = readFileSync('license.json');
      const codeOf = (audience, needs) =>
        openDevice({ vendorKeys: [VENDOR_KEY], audience, folder: STATE }).load('model.seal', { license, needs })
          .then(() => 'loaded', ({ code }) => code);
      console.log(JSON.stringify({ early: await codeOf('acme-vision', []), other: await codeOf('acme-speech', []) }));`);
    expect(refused).toEqual({ early: 'LICENSE_NOT_ACTIVATED', other: 'LICENSE_AUDIENCE' });

    const told = run(
      `${example}
      const later = [];
      for (const where of ['child', 'here']) {
        const again = await device.load('model.seal', { needs: ['vision'], where });
        later.push(Buffer.from([...(await again.run(feeds)).values()][0].data).toString('hex'));
        await again.release();
      }
      console.log(JSON.stringify({ standing: session.judgement.standing, first, later }));`,
    );
    const { first, later } = told as { first: string; later: string[] };
    expect(told.standing).toBe('VALID');
    expect(later).toEqual([first, first]);
    expect(first).toBe(plainAnswer());
    const files = readdirSync(product.folder, { recursive: true, encoding: 'utf8' }).sort();
    expect(files.filter((name) => name.endsWith('.onnx'))).toEqual([]);
    expect(files.filter((name) => name.startsWith('state/')).length).toBeGreaterThan(2);
  });

  /** What the model says of the same input by the command, bytes of the scores in hex. */
  function plainAnswer(): string {
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 12, 12), }".padEnd(117);
    const values = Float32Array.from({ length: 144 }, (_, at) => Math.sin(at));
    const head = Buffer.concat([Buffer.from('\x93NUMPY\x01\x00v\x00', 'latin1'), Buffer.from(`${header}\n`)]);
    writeFileSync(join(vendor.folder, 'x.npy'), Buffer.concat([head, Buffer.from(values.buffer)]));
    vendor.json(['run', join(samples, 'mlp.onnx'), '--input', 'x.npy', '--out', 'plain']);
    const [name] = readdirSync(join(vendor.folder, 'plain'));
    const bytes = readFileSync(join(vendor.folder, 'plain', name));
    return bytes.subarray(10 + bytes.readUInt16LE(8)).toString('hex');
  }

  test('a machine that is no confidential VM gets no key from a broker', () => {
    const told = run(`
      import { loadInGuest } from 'modelward/device';
      const options = { path: 'model.seal', broker: 'https://127.0.0.1:9', resource: 'models/key/m', tee: 'snp' };
      const code = await loadInGuest(options).then(() => 'loaded', (error) => error.code);
      console.log(JSON.stringify({ code }));`);
    expect(told.code).toMatch(/^(ATTEST_TSM_|BROKER_UNREACHABLE)/);
  });
});
