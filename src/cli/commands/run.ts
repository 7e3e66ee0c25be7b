/** `modelward run`: answers of a model; the weights of a sealed one never lie on disk. */
import type { Command } from 'commander';
import { join } from 'node:path';
import { EXIT } from '../../core/errors.ts';
import { toNpyBytes } from '../../fidelity/index.ts';
import { isSealedPath } from '../../workflows/open-model.ts';
import { loadPlain, loadSealed, readFeeds } from '../../workflows/run-model.ts';
import { assertNoInput, writeOutput } from '../../workflows/write-bytes.ts';
import { addExamples } from '../command-spec.ts';
import { type CliContext, type CommandHost, onAction, toPathOption, withSession } from '../context.ts';
import { toPairs } from '../ui/table.ts';

interface RunFlags {
  readonly input: readonly string[];
  readonly out: string;
  readonly envelope?: string;
  readonly key?: string;
  readonly dataRoot?: string;
}

export function defineRun(command: Command, host: CommandHost): void {
  command
    .description(
      'Runs an ONNX model once and writes every output as npy. A sealed model is decrypted in the memory of a child process, which ends with the run; no plaintext is written.',
    )
    .argument('<model>', 'ONNX model, plain or sealed')
    .requiredOption('--input <file...>', 'npy files, in the order of the inputs of the model')
    .option('-o, --out <dir>', 'folder for the outputs', '.')
    .option('--envelope <file>', 'key envelope of a sealed model (default: the one in the home)')
    .option('--key <uri>', 'key that unwraps the data key')
    .option('--data-root <dir>', 'follow links that stay below this folder');
  addExamples(command, [
    { command: 'modelward run model.seal --input x.npy --out answers', summary: 'one batch' },
    { command: 'modelward run model.onnx --input x.npy --out answers', summary: 'for stamp read' },
  ]);
  onAction<RunFlags>(host, command, async (context, flags, words) => {
    const path = context.toAbsolute(words[0]);
    const result = isSealedPath(path)
      ? await withSession(context, (session) => {
          const key = { keyUri: flags.key ?? null, ...toPathOption(context, 'envelopePath', flags.envelope) };
          return run(context, flags, loadSealed(context.services, session, { path, ...key }));
        })
      : await run(
          context,
          flags,
          loadPlain(context.services, { path, ...toPathOption(context, 'dataRoot', flags.dataRoot) }),
        );
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ...result.outputs.map(({ name, path, dtype, shape }): [string, string] => [
            name,
            `${dtype}[${shape.join(', ')}] in ${path}`,
          ]),
          ['ran on', result.runtime],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}

interface RunResult {
  readonly runtime: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly path: string;
    readonly dtype: string;
    readonly shape: readonly number[];
  }[];
}

/** Answers once, writes what it says, and lets go of the model. */
async function run(
  context: CliContext,
  { input, out }: RunFlags,
  loading: ReturnType<typeof loadSealed>,
): Promise<RunResult> {
  const loaded = await loading;
  try {
    const inputs = input.map((path) => context.toAbsolute(path));
    const feeds = readFeeds(loaded, inputs);
    const answers = [...(await loaded.run(feeds))];
    const files = toFileNames(answers.map(([name]) => name));
    const outputs = answers.map(([name, value], index) => {
      const path = join(context.toAbsolute(out), files[index]);
      assertNoInput([path], inputs);
      writeOutput(context.services, path, toNpyBytes(value));
      return { name, path, dtype: value.dtype, shape: value.shape };
    });
    return { runtime: `${loaded.runtime.id} ${loaded.runtime.version}`, outputs };
  } finally {
    await loaded.release();
  }
}

/** Outputs whose names differ only in characters that no file name has are numbered. */
export function toFileNames(outputs: readonly string[]): string[] {
  const taken = new Set<string>();
  return outputs.map((output) => {
    const base = output.replace(/[^A-Za-z0-9_.-]/g, '_');
    let name = base;
    for (let number = 2; taken.has(name); number++) name = `${base}-${number}`;
    taken.add(name);
    return `${name}.npy`;
  });
}
