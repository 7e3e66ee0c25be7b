/** `modelward graph apply`: one plan over many models, some at a time, finished ones kept. */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { applyPlanToFleet, type FleetItem } from '../../../workflows/graph/fleet.ts';
import { openFleetWorkers } from '../../compose.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, toPathOption } from '../../context.ts';
import { toTable } from '../../ui/table.ts';
import { toIndex } from './words.ts';

interface ApplyFlags {
  readonly out: string;
  readonly parallel?: string;
  readonly force?: boolean;
  readonly dataRoot?: string;
}

export function defineApply(command: Command, host: CommandHost): void {
  command
    .description(
      'Replays a plan that "--plan FILE" of an editing verb kept. Every model is edited by itself, in workers; one that fails writes nothing and stops no other. Run it again to go on where it was stopped.',
    )
    .argument('<plan>', 'plan file')
    .argument('<models...>', 'ONNX models')
    .requiredOption('-o, --out <dir>', 'folder for the edited copies, each under its own name')
    .option('--parallel <count>', 'models at a time (default: processors)')
    .option('--force', 'edit again what lies in the folder already')
    .option('--data-root <dir>', 'follow links that stay below this folder');
  addExamples(command, [
    { command: 'modelward graph apply stamp.json fleet/*.onnx --out stamped', summary: 'the same edit in every model' },
  ]);
  onAction<ApplyFlags>(host, command, async (context, flags, [plan, ...paths]) => {
    const { services } = context;
    const parallel = flags.parallel === undefined ? availableParallelism() : toIndex(flags.parallel);
    const workers = await openFleetWorkers(Math.min(parallel, paths.length));
    try {
      const items = await applyPlanToFleet(
        services,
        {
          paths: paths.map((path) => context.toAbsolute(path)),
          outFolder: context.toAbsolute(flags.out),
          plan: Buffer.from(services.storage.read(context.toAbsolute(plan))).toString('utf8'),
          force: flags.force ?? false,
          ...toPathOption(context, 'dataRoot', flags.dataRoot),
        },
        { run: (job) => workers.run(job), parallel },
      );
      context.ui.result({ models: items, ...toCounts(items) }, ({ style, widthColumns }) =>
        toTable({
          columns: [{ title: 'model', isFlexible: true }, { title: 'outcome' }, { title: 'detail', isFlexible: true }],
          rows: items.map((item) => [item.path, item.outcome, toDetail(item)]),
          style,
          ...(widthColumns === undefined ? {} : { widthColumns }),
        }),
      );
      return items.some(({ outcome }) => outcome === 'failed') ? EXIT.malformed : EXIT.ok;
    } finally {
      await workers.close();
    }
  });
}

function toCounts(items: readonly FleetItem[]): Readonly<Record<FleetItem['outcome'], number>> {
  const counts = { edited: 0, present: 0, failed: 0 };
  for (const { outcome } of items) counts[outcome]++;
  return counts;
}

function toDetail(item: FleetItem): string {
  if (item.outcome === 'failed') return `${item.code}: ${item.message}`;
  return item.outcome === 'present' ? `${item.out} (from an earlier run)` : (item.edited?.path ?? '');
}
