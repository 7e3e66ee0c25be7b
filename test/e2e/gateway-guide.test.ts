/** Sections of the guide to the gateway, run as they stand there: from a sealed model to an answer that an outsider believes; operations. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { describeWithProgram } from '../shared-data.ts';
import { findFreePort } from '../free-port.ts';
import { bin, createWorkplace, root, samples } from './command.ts';
import { type Serving, startServing, until } from './serving.ts';

const guide = readFileSync(join(root, 'docs/gateway.md'), 'utf8');
const readBlocks = (title: string): string[][] => {
  const section = new RegExp(`\n## ${title}\n[^]*?(?=\n## )`).exec(guide)![0];
  return Array.from(section.matchAll(/```(?:yaml)?\n([^]*?)```/g), ([, text]) => text.trimEnd().split('\n'));
};

describeWithProgram('the guide to the gateway', 'curl', ['--version'], () => {
  const place = createWorkplace();
  const at = (name: string): string => join(place.folder, name);
  let serving: Serving | undefined;
  afterAll(async () => {
    await serving?.stop();
    place.remove();
  });

  /** By a shell, which ends with the first line that fails. */
  function runLines(lines: readonly string[]): { readonly status: number | null; readonly text: string } {
    const script = ['set -e', `modelward() { '${process.execPath}' '${bin}' "$@"; }`, ...lines].join('\n');
    const env = { ...process.env, MODELWARD_HOME: place.home, NO_COLOR: '1' };
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { cwd: place.folder, encoding: 'utf8', env });
    return { status, text: stdout + stderr };
  }

  test('takes a sealed model to two customers; one is shown that his answer is whole, and outsiders that it was given', async () => {
    mkdirSync(at('models'));
    copyFileSync(join(samples, 'mlp.onnx'), at('models/net.onnx'));
    const [prepare, ask, prove] = readBlocks('From a sealed model to two customers');
    const serve = prepare.pop()!.split(' ');
    expect(serve.slice(0, 2)).toEqual(['modelward', 'serve']);
    expect(runLines(prepare)).toMatchObject({ status: 0 });
    const args = [...serve.slice(2), '--port', '0'];
    serving = await startServing({ folder: place.folder, home: place.home, args });
    const { port } = serving;
    const asked = runLines(ask.map((line) => line.replace(':8443', `:${port}`)));
    expect(asked).toEqual({ status: 0, text: expect.stringMatching(/^verified\n[^]*good +integrity tag/m) as unknown });
    expect(readFileSync(at('answer.http'), 'utf8')).toMatch(/^HTTP\/2 200[^]*"name":"logits"/);
    const zenith = ask.slice(0, 3).map((line) => line.replace(':8443', `:${port}`).replaceAll('acme', 'zenith').replace('answer.http', 'zenith.http')); // biome-ignore format: one line
    expect(runLines(zenith).status).toBe(0);
    const { outputs } = JSON.parse(readFileSync(at('zenith.http'), 'utf8').split('\r\n\r\n')[1]) as {
      readonly outputs: readonly [{ readonly data: readonly number[] }];
    };
    const shown = outputs[0].data.filter((score) => score !== 0);
    expect(shown).toEqual([Number(shown[0].toFixed(2))]);
    const proven = runLines(prove);
    expect(proven).toEqual({ status: 0, text: expect.stringMatching(/good +row of the log/) as unknown });
    writeFileSync(at('answer.http'), readFileSync(at('answer.http'), 'latin1').replace(/\[(-?\d)/, '[9$1'), 'latin1');
    expect(runLines(prove.slice(2)).status).toBe(1);
  });

  test('its operations: a key of the control plane, a configuration, and what is asked of the admin listener', async () => {
    const [prepare, configuration, ask] = readBlocks('Operations');
    expect(prepare.pop()).toBe('modelward serve gateway.yaml');
    expect(runLines(prepare)).toMatchObject({ status: 0 });
    const free = (line: string): string =>
      line.replace('host: 0.0.0.0', 'host: 127.0.0.1, port: 0').replace('port: 8444', 'port: 0');
    writeFileSync(at('gateway.yaml'), configuration.map(free).join('\n'));
    await serving?.stop();
    serving = await startServing({ folder: place.folder, home: place.home, args: ['gateway.yaml'] });
    const admin = `:${serving.adminPort}`;
    const asked = runLines(ask.map((line) => line.replace(':8444', admin).replace('curl ', 'curl -sSf ')));
    expect(asked).toEqual({
      status: 0,
      text: expect.stringMatching(/^# HELP[^]*"name":"digits"[^]*"isReady":true[^]*\{"requests":\[/) as unknown,
    });
    expect(runLines([`curl -sSf http://127.0.0.1${admin}/readyz`])).toEqual({ status: 0, text: '{"status":"ready"}' });
  });

  test('npm start ends in it: what it says to ask with is answered and verified', async () => {
    const port = await findFreePort();
    const tour = spawn(process.execPath, [bin, 'tour', '--port', String(port)], {
      cwd: place.folder,
      env: { ...process.env, MODELWARD_HOME: at('tour-home'), NO_COLOR: '1' },
    });
    let told = '';
    for (const stream of [tour.stdout, tour.stderr]) stream.on('data', (chunk: Buffer) => (told += chunk.toString()));
    const ended = once(tour, 'close').then(([code]) => code as number | null);
    try {
      await until('the tour', () => tour.exitCode !== null || told.includes('Ctrl-C ends it'), 110_000);
      const lines = told.split('\n').filter((line) => /^ +(curl|modelward verify-response) /.test(line));
      expect(lines).toHaveLength(2);
      expect(runLines(lines)).toEqual({ status: 0, text: expect.stringContaining('verified') as unknown });
      expect(told).not.toMatch(/mwk_live_\w{30}/);
      tour.kill('SIGTERM');
      expect(await ended).toBe(0);
    } finally {
      tour.kill('SIGKILL');
    }
  });
});
