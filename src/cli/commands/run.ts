/** `modelward run`: answers of a sealed model, without its weights ever lying on disk. */
import type { Command } from 'commander';
import { join } from 'node:path';
import { EXIT } from '../../core/errors.ts';
import { toNpyBytes } from '../../fidelity/index.ts';
import { loadSealed, readFeeds, writeOutput } from '../../workflows/index.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withSession } from '../context.ts';
import { toPairs } from '../ui/table.ts';

interface RunFlags {
  readonly input: readonly string[];
  readonly out: string;
  readonly envelope?: string;
  readonly key?: string;
}

export function addRun(program: Command, host: CommandHost): void {
  const command = program
    .command('run')
    .summary('run a sealed ONNX model on npy inputs, without plaintext on disk')
    .description(
      'Decrypts a sealed ONNX model in the memory of a child process, runs it once, and writes every output as npy. The process ends with the run; no plaintext is written.',
    )
    .argument('<sealed>', 'sealed model')
    .requiredOption('--input <file...>', 'npy files, in the order of the inputs of the model')
    .option('-o, --out <dir>', 'folder for the outputs', '.')
    .option('--envelope <file>', 'key envelope (default: the one in the home)')
    .option('--key <uri>', 'key that unwraps the data key');
  addExamples(command, [{ command: 'modelward run model.seal --input x.npy --out answers', summary: 'one batch' }]);
  onAction<RunFlags>(host, command, async (context, flags, words) => {
    const { services } = context;
    const result = await withSession(context, async (session) => {
      const loaded = await loadSealed(services, session, {
        path: context.toAbsolute(words[0]),
        keyUri: flags.key ?? null,
        ...toPathOption(context, 'envelopePath', flags.envelope),
      });
      try {
        const feeds = readFeeds(
          loaded,
          flags.input.map((path) => context.toAbsolute(path)),
        );
        const answers = await loaded.run(feeds);
        const outputs = [...answers].map(([name, value]) => {
          const path = join(context.toAbsolute(flags.out), `${name.replace(/[^A-Za-z0-9_.-]/g, '_')}.npy`);
          writeOutput(services, path, toNpyBytes(value));
          return { name, path, dtype: value.dtype, shape: value.shape };
        });
        return { runtime: `${loaded.runtime.id} ${loaded.runtime.version}`, outputs };
      } finally {
        await loaded.release();
      }
    });
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
