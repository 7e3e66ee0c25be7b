import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeWithProgram } from '../shared-data.ts';
import { bin, createWorkplace, samples } from './command.ts';

describeWithProgram('isolation of protect', 'strace', ['-V'], () => {
  test('no connection is made, and no file outside of output and home is created', () => {
    const place = createWorkplace();
    try {
      const trace = join(place.folder, 'trace');
      const out = join(place.folder, 'out');
      const command = [process.execPath, bin, 'protect', join(samples, 'mlp.onnx')];
      const args = [
        '-f',
        '-qq',
        '-o',
        trace,
        '-e',
        'trace=connect,sendto,openat,open,creat,mkdir,mkdirat,rename,renameat2',
      ];
      const { status } = spawnSync(
        'strace',
        [...args, ...command, '--eval', join(samples, 'eval.npz'), '--out', out, '--quiet'],
        { cwd: place.folder, env: { ...process.env, MODELWARD_HOME: place.home, HOME: place.folder } },
      );
      expect(status).toBe(0);
      const calls = readFileSync(trace, 'utf8').split('\n');
      expect(calls.length).toBeGreaterThan(100);
      expect(calls.filter((call) => /connect\(|sendto\(/.test(call))).toEqual([]);
      const made = calls.filter(
        (call) => /O_CREAT|creat\(|mkdir(at)?\(|rename(at2?)?\(/.test(call) && !call.includes(' = -1 '),
      );
      expect(made.length).toBeGreaterThan(10);
      expect(made.filter((call) => !call.includes(place.folder) && !call.includes('/dev/'))).toEqual([]);
    } finally {
      place.remove();
    }
  });
});
