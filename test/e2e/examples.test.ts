/** The examples that help ends with: every one is accepted as it stands, and those that samples can show are run. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadCommandSpecs } from '../../scripts/docs/cli-doc.ts';
import type { CommandHost } from '../../src/cli/context.ts';
import { createProgram } from '../../src/cli/program.ts';
import { configureForUi } from '../../src/cli/ui/usage.ts';
import { toNpyBytes } from '../../src/fidelity/index.ts';
import { createWorkplace, root, samples, type Workplace } from './command.ts';

const specs = (await loadCommandSpecs(root)) ?? [];
const examples = specs.flatMap((spec) => spec.examples.map(({ command }) => command));

/** The words that a shell passes on; what stands behind ">" goes to a file. */
function toWords(line: string): string[] {
  const words = [...line.replace(/ > .*$/, '').matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)];
  return words.slice(1).map((match: (string | undefined)[]) => match[1] ?? match[2] ?? match[3] ?? '');
}

/** The command would now work. */
class Reached extends Error {}

const host: CommandHost = {
  open: () => {
    throw new Reached();
  },
  end: () => undefined,
};

describe('as it stands', () => {
  test('every command that does something has an example', () => {
    const silent = specs.filter(({ subcommands, examples: own }) => subcommands.length === 0 && own.length === 0);
    expect(silent.map(({ name }) => name)).toEqual([]);
    expect(examples.length).toBeGreaterThan(80);
  });

  test.each(examples)('%s', async (line) => {
    const program = configureForUi(createProgram(host, '0.0.0'), () => undefined);
    await expect(program.parseAsync(toWords(line), { from: 'user' })).rejects.toBeInstanceOf(Reached);
  });

  test.each(examples)('no shell takes a part of it for a pattern: %s', (line) => {
    const unquoted = line.replace(/"[^"]*"|'[^']*'/g, '');
    // A list of files is a pattern on purpose.
    expect(unquoted.replace('fleet/*.onnx', '')).not.toMatch(/[[\]{}*?$`\\!;&|()]/);
  });
});

/** Examples that run on samples, with their exit codes; each finds the same folder. */
const RUNS: readonly (readonly [string, number])[] = [
  ['modelward baseline model.onnx', 0],
  ['modelward verify model.onnx --baseline model.baseline.json', 0],
  ['modelward diff model.onnx suspect.onnx', 1],
  ['modelward scan model.onnx', 0],
  ['modelward seal model.onnx --out release/model.seal', 0],
  ['modelward open model.seal --out plain', 0],
  ['modelward run model.onnx --input x.npy --out answers', 0],
  ['modelward inspect model.onnx --all', 0],
  ['modelward inspect model.onnx --activations "/relu/i"', 0],
  ['modelward inspect model.seal --json', 0],
  ['modelward label write model.onnx --text "acme, licence 7"', 0],
  ['modelward label graph write model.onnx --uuid --kind channels', 0],
  ['modelward graph find model.onnx --op Conv Gemm', 0],
  ['modelward graph explain model.onnx logits', 0],
  ['modelward graph infer model.onnx --dim batch=8 --json', 0],
  ['modelward graph strip-tensor model.onnx --out structure.onnx', 0],
  ['modelward graph prefix model.onnx a_', 0],
  ['modelward graph fold model.onnx --dry-run', 0],
  ['modelward stamp scores model.onnx --text "Acme API" --step 1e-3', 0],
  ['modelward stamp checksum model.onnx --column', 0],
  ['modelward stamp list model.stamped.onnx', 0],
  ['modelward stamp remove model.stamped.onnx --mark model.stamped.onnx.mark.json', 0],
  ['modelward ledger checkpoint', 0],
  ['modelward keys show --json', 0],
];

/** Made by an earlier example, and needed by this one. */
const STAMPED = /stamp (list|remove)/;

describe('on samples', () => {
  let place: Workplace;
  let home: string;
  let given: ReadonlySet<string>;
  const at = (name: string): string => join(place.folder, name);
  // Users have their home elsewhere; a key below the folder of the sealed file would be refused.
  const run = (line: string): ReturnType<Workplace['run']> => place.run([...toWords(line), '--home', home]);

  beforeAll(() => {
    place = createWorkplace();
    home = mkdtempSync(join(tmpdir(), 'modelward-home-'));
    cpSync(join(samples, 'cnn.onnx'), at('model.onnx'));
    const bytes = readFileSync(at('model.onnx'));
    bytes[bytes.length - 200] ^= 0x40;
    writeFileSync(at('suspect.onnx'), bytes);
    writeFileSync(at('x.npy'), toNpyBytes({ dtype: 'f32', shape: [1, 1, 12, 12], data: new Uint8Array(4 * 144) }));
    expect(run('modelward baseline model.onnx').status).toBe(0);
    expect(run('modelward seal model.onnx --out model.seal').status).toBe(0);
    given = new Set(readdirSync(place.folder));
  });
  beforeEach(() => {
    for (const name of readdirSync(place.folder)) if (!given.has(name)) rmSync(at(name), { recursive: true });
  });
  afterAll(() => {
    place.remove();
    rmSync(home, { recursive: true });
  });

  test.each(RUNS)('%s ends with %i', (line, exit) => {
    expect(examples).toContain(line);
    if (line === 'modelward baseline model.onnx') {
      for (const name of ['model.baseline.json', 'model.baseline.sig']) rmSync(at(name), { force: true });
    }
    if (STAMPED.test(line)) run('modelward stamp signature model.onnx --licence "(c) Acme" --no-measure');
    const { status, stdout, stderr } = run(line);
    expect({ status, stderr: status === exit ? '' : stderr }).toEqual({ status: exit, stderr: '' });
    expect(stdout).not.toBe('');
  });
});
