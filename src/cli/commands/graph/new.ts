/** `modelward graph new`: an ONNX model from nothing, or from a plan. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { createGraphFile } from '../../../workflows/graph/new-file.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { toPair, toVersion } from './words.ts';

interface NewFlags {
  readonly opset?: string;
  readonly import?: readonly string[];
  readonly ir?: string;
  readonly plan?: string;
  readonly force?: boolean;
}

export function defineNew(command: Command, host: CommandHost): void {
  command
    .argument('<file>', 'the new model')
    .option('--opset <version>', 'version of the default operator set (default: 18)')
    .option('--import <domain=version...>', 'further operator sets')
    .option('--ir <version>', 'IR version (default: 8)')
    .option('--plan <file>', 'plan that fills the graph (default: it stays empty)')
    .option('--force', 'replace an existing file');
  addExamples(command, [
    { command: 'modelward graph new model.onnx --plan plan.json', summary: 'a plan written by hand becomes a model' },
  ]);
  onAction<NewFlags>(host, command, (context, flags, [file]) => {
    const { services, ui } = context;
    const plan = flags.plan === undefined ? null : services.storage.read(context.toAbsolute(flags.plan));
    const pairs = (flags.import ?? []).map((word) => toPair(word, 'DOMAIN=VERSION'));
    const result = createGraphFile(services, {
      out: context.toAbsolute(file),
      force: flags.force ?? false,
      plan: plan === null ? null : Buffer.from(plan).toString('utf8'),
      opsets: Object.fromEntries(pairs.map(([domain, version]) => [domain, toVersion(version)])),
      ...(flags.opset !== undefined && { opset: toVersion(flags.opset) }),
      ...(flags.ir !== undefined && { irVersion: toVersion(flags.ir) }),
    });
    ui.result(result, ({ style }) =>
      toPairs(
        [
          ['created', result.created.path],
          ['verbs', String(result.steps)],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
