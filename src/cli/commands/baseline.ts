/** `modelward baseline`: what a model is, signed. */
import type { Command } from 'commander';
import { parse } from 'node:path';
import { EXIT } from '../../core/errors.ts';
import { writeBaseline } from '../../workflows/baseline.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction, withSession } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import { addOpenOptions, type OpenFlags, toOpenOptions } from './model-options.ts';

interface BaselineFlags extends OpenFlags {
  readonly out?: string;
  readonly force?: boolean;
}

export function defineBaseline(command: Command, host: CommandHost): void {
  command
    .description(
      'Writes a signed manifest: the graph, and every stored byte in 64 KiB leaves. From it alone, verify names tensor, rows and leaf of a change, and the bit where exactly one changed. Beside it lies a model signature of the same files (.sig), which verify-signature and other tools of OpenSSF Model Signing check.',
    )
    .argument('<model>', 'model, plain or sealed')
    .option('-o, --out <file>', 'where to write (default: MODEL.baseline.json in the current folder)')
    .option('--force', 'replace an existing file');
  addOpenOptions(command);
  addExamples(command, [{ command: 'modelward baseline model.onnx', summary: 'sign what the model is today' }]);
  onAction<BaselineFlags>(host, command, async (context, flags, words) => {
    const result = await withSession(context, (session) =>
      writeBaseline(context.services, session, {
        ...toOpenOptions(context, flags, words[0]),
        out: context.toAbsolute(flags.out ?? `${parse(words[0]).name}.baseline.json`),
        force: flags.force ?? false,
      }),
    );
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ['baseline', result.baseline.path],
          ['signature', result.signature.path],
          ['tensors', String(result.tensors)],
          ['raw root', result.rawRoot],
          ['ledger', `entry ${result.leafIndex}`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
