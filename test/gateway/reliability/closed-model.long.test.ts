/** What a model took of the gateway's memory is given back when it is served no more. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createWorkplace } from '../../e2e/command.ts';
import { type Serving, until } from '../../e2e/serving.ts';
import { f32Bytes, tinyModel, tinyNode, tinyTensor, tinyValue } from '../../tiny-onnx.ts';
import { readKey, startGateway } from './gateway-process.ts';

const WEIGHTS_MIB = 96;
const ROUNDS = 6;
const SIDE = 4096;

const place = createWorkplace({ isOneProcess: true });
const at = (name: string): string => join(place.folder, name);
let running: Serving | undefined;
afterAll(() => {
  running?.child.kill('SIGKILL');
  place.remove();
});

/** One product of a row with a matrix of so many rows. */
function makeModel(rows: number): Uint8Array {
  const weights = Float32Array.from({ length: rows * SIDE }, (_, n) => ((n * 2654435761) % 1000) / 1000);
  return tinyModel({
    inputs: [tinyValue('x', 'f32', ['n', rows])],
    outputs: [tinyValue('y', 'f32', ['n', SIDE])],
    nodes: [tinyNode('MatMul', ['x', 'w'], ['y'])],
    tensors: [tinyTensor('w', 'f32', [rows, SIDE], f32Bytes(weights))],
  });
}

function toRssMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

test.skipIf(process.platform !== 'linux')(
  'a model of 96 MiB that comes and goes leaves less than one copy of itself behind after six rounds',
  async () => {
    const rows = (WEIGHTS_MIB * 1024 * 1024) / (4 * SIDE);
    writeFileSync(at('small.onnx'), makeModel(1));
    writeFileSync(at('large.onnx'), makeModel(rows));
    const keyOf = (model: string): string => {
      const made = place.run(['apikey', 'create', '--name', 'a', '--model', model, '-o', `${model}.json`]);
      expect(made.status).toBe(0);
      return readKey(place, `${model}.json`).apiKey;
    };
    const apiKey = keyOf('large');
    const put = (more: string): void => {
      const models = `models: [{name: small, file: small.onnx}${more}]`;
      writeFileSync(at('gateway.yaml'), `listen: {port: 0}\njournal: {file: journal.jsonl}\n${models}\n`);
    };
    put('');
    running = await startGateway(place, ['gateway.yaml', '--plaintext']);
    const { port, child } = running;
    const body = JSON.stringify({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, rows], data: Array<number>(rows).fill(0) }],
    });
    const ask = async (): Promise<number> => {
      const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
      const answer = await fetch(`http://127.0.0.1:${port}/v2/models/large/infer`, { method: 'POST', headers, body });
      await answer.arrayBuffer();
      return answer.status;
    };
    const without: number[] = [toRssMib(child.pid!)];
    for (let round = 0; round < ROUNDS; round++) {
      put(', {name: large, file: large.onnx}');
      child.kill('SIGHUP');
      await until('the model is there', async () => (await ask()) === 200, 120_000);
      const full = toRssMib(child.pid!);
      put('');
      child.kill('SIGHUP');
      await until('the model is gone', async () => (await ask()) === 403, 120_000);
      await until(
        `most of its memory is given back: ${full} MiB with it, ${toRssMib(child.pid!)} MiB without`,
        () => toRssMib(child.pid!) < full - WEIGHTS_MIB / 2,
        60_000,
      );
      without.push(toRssMib(child.pid!));
    }
    process.stdout.write(`without the model: ${without.map((mib) => mib.toFixed(0)).join(', ')} MiB\n`);
    // Each look is a moment after the end, when not everything is collected: the least of the last ones counts.
    expect(Math.min(...without.slice(-3))).toBeLessThan(without[0] + WEIGHTS_MIB);
    child.kill('SIGTERM');
    expect(await running.ended).toBe(0);
  },
);
