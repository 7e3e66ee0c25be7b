/** Images: linted, and what they copy and ask is there. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createWorkplace, root, samples } from '../e2e/command.ts';
import { describeWhere, hasProgram } from '../shared-data.ts';
import { deploy, readRecipe, startGateway } from './kit.ts';

const IMAGES = ['container', 'sagemaker', 'vertex'];
const hadolint = resolve(import.meta.dirname, '../oracles/.venv/bin/hadolint');

describeWhere(hasProgram(hadolint, ['--version']), 'the Dockerfile', 'hadolint', () => {
  test.each([...IMAGES, 'compose'])('of %s has no fault that hadolint knows', (name) => {
    const { status, stdout } = spawnSync(hadolint, [join(deploy, name, 'Dockerfile')], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, '']);
  });
});

describe('the image', () => {
  const place = createWorkplace();
  afterAll(() => {
    place.remove();
  });

  test.each(IMAGES)('of %s copies what is there, and runs as nobody special', (name) => {
    const text = readRecipe(name, 'Dockerfile');
    const context = name === 'container' ? root : join(deploy, name);
    const copied = [...text.matchAll(/^COPY (?!--from)(.*)$/gm)].flatMap(([, words]) =>
      words
        .split(' ')
        .filter((word) => !word.startsWith('--'))
        .slice(0, -1),
    );
    // The sealed model is the user's own.
    const missing = copied.filter((file) => !file.startsWith('model.') && !existsSync(join(context, file)));
    expect([copied.length > 0, missing]).toEqual([true, []]);
    const users = [...text.matchAll(/^USER (.*)$/gm)].map(([, user]) => user);
    expect(users).toEqual(name === 'container' ? ['10001:10001'] : []);
  });

  test('asks its gateway whether it is ready', async () => {
    const check = (port: number): number | null =>
      spawnSync(process.execPath, [join(deploy, 'container/healthcheck.mjs'), String(port)]).status;
    expect(place.run(['tls', 'init']).status).toBe(0);
    const tls = { cert: 'tls/server.pem', key: 'tls/server.key' };
    const models = [{ name: 'digits', file: join(samples, 'mlp.onnx') }];
    writeFileSync(
      join(place.folder, 'gateway.json'),
      JSON.stringify({ listen: { port: 0, tls }, openHealth: true, models }),
    );
    const gateway = await startGateway(place, ['gateway.json']);
    expect(check(gateway.port)).toBe(0);
    gateway.child.kill('SIGTERM');
    await gateway.ended;
    expect(check(gateway.port)).toBe(1);
  });
});
