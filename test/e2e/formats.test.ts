/** Every verb on every format: marked where the format is written; read, vouched for, verified, sealed and scanned everywhere. */
import { cpSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openModelPath, toGguf, toSafetensors } from '../../src/formats/index.ts';
import { runPlan } from '../formats/models.ts';
import { toTflite } from '../formats/onnx-to-tflite.ts';
import { toTorchFile } from '../formats/torch-file.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

let place: Workplace;
beforeAll(() => {
  place = createWorkplace();
  const at = (name: string): string => join(place.folder, name);
  cpSync(join(samples, 'mlp.onnx'), at('m.onnx'));
  const model = openModelPath(at('m.onnx'));
  writeFileSync(at('m.safetensors'), runPlan(toSafetensors(model, 'm.safetensors').plan));
  writeFileSync(at('m.gguf'), runPlan(toGguf(model, 'm.gguf').plan));
  writeFileSync(at('m.tflite'), toTflite(model));
  writeFileSync(at('m.pt'), toTorchFile(model));
  model.close();
  // Something to look for in files that no mark was put into.
  place.json(['embed', 'm.onnx', '--unmeasured', '--out', 'first']);
});
afterAll(() => {
  place.remove();
});

/** Exit code, and verdict or error code, of each command. */
function runVerbs(lines: readonly (readonly string[])[]): string[] {
  return place.runAll(lines.map((words) => [...words, '--json', '--quiet'])).map(({ status, stdout }, i) => {
    const { verdict, error } = JSON.parse(stdout) as { verdict?: string; error?: { code: string } };
    return [lines[i][0], String(status), verdict ?? error?.code ?? ''].join(' ').trim();
  });
}

const READ = [
  'detect 0 none',
  'baseline 0',
  'verify 0 unchanged',
  'scan 0 nothing-found',
  'seal 0',
  'verify 0 unchanged',
  'scan 0 nothing-found',

  'open 0',
];

test.each(['m.onnx', 'm.safetensors', 'm.gguf', 'm.tflite', 'm.pt'])('%s', (name) => {
  const [sealed, baseline] = [`sealed/${name}.seal`, `${name}.json`];
  const found = runVerbs([
    ['detect', name],
    ['baseline', name, '--out', baseline],
    ['verify', name, '--baseline', baseline],
    ['scan', name],
    ['seal', name, '--out', sealed],
    ['verify', sealed, '--baseline', baseline],
    ['scan', sealed],
    ['open', sealed, '--out', `${name}.opened`],
  ]);
  expect(found).toEqual(READ);
  if (name.endsWith('.pt')) {
    expect(runVerbs([['embed', name, '--unmeasured', '--out', 'never']])).toEqual(['embed 4 FORMAT_READ_ONLY']);
    return;
  }
  expect(runVerbs([['embed', name, '--unmeasured', '--out', `${name}.marked`]])).toEqual(['embed 0']);
  const marked = readdirSync(join(place.folder, `${name}.marked`)).find((file) => /\.marked\.\w+$/.test(file))!;
  const copy = join(`${name}.marked`, marked);
  expect(
    runVerbs([
      ['detect', copy],
      ['verify', copy, '--baseline', baseline],
    ]),
  ).toEqual(['detect 0 claim', 'verify 1 changed']);
});
