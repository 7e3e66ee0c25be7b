/** `modelward graph apply`: one plan over many models, some at a time, finished ones kept. */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { CliError, EXIT, type ExitCode } from '../../../core/errors.ts';
import { applyPlanToFleet, type FleetItem, type FleetOptions } from '../../../workflows/graph/fleet.ts';
import { openFleetWorkers } from '../../compose.ts';
import { addExamples } from '../../command-spec.ts';
import { type CliContext, type CommandHost, onAction, toPathOption } from '../../context.ts';
import { addQueueOptions, type QueueFlags } from '../queue-flags.ts';
import { toTable } from '../../ui/table.ts';
import { toIndex } from './words.ts';

interface ApplyFlags extends QueueFlags {
  readonly out: string;
  readonly parallel?: string;
  readonly force?: boolean;
  readonly dataRoot?: string;
  readonly withdraw?: boolean;
}

export function defineApply(command: Command, host: CommandHost): void {
  command
    .description(
      'Replays a plan that "--plan FILE" of an editing verb kept. Every model is edited by itself, in workers; one that fails writes nothing and stops no other. Run it again to go on where it was stopped. With --queue or --queue-file, workers on other machines do it ("modelward worker"); the jobs outlive this command.',
    )
    .argument('<plan>', 'plan file')
    .argument('<models...>', 'ONNX models')
    .requiredOption('-o, --out <dir>', 'folder for the edited copies, each under its own name')
    .option('--parallel <count>', 'models at a time (default: processors)')
    .option('--force', 'edit again what lies in the folder already')
    .option('--data-root <dir>', 'follow links that stay below this folder');
  addQueueOptions(command)
    .option('--root <dir>', 'with a queue: the folder that all machines share (default: current folder)')
    .option('--withdraw', 'with a queue: take back the jobs of this call that no worker has begun');
  addExamples(command, [
    { command: 'modelward graph apply stamp.json fleet/*.onnx --out stamped', summary: 'the same edit in every model' },
    {
      command: 'modelward graph apply stamp.json fleet/*.onnx --out stamped --queue-file ~/.fleet-queue',
      summary: 'the same by the workers of all machines that share the folder',
    },
  ]);
  onAction<ApplyFlags>(host, command, async (context, flags, [plan, ...paths]) => {
    const options: FleetOptions = {
      paths: paths.map((path) => context.toAbsolute(path)),
      outFolder: context.toAbsolute(flags.out),
      plan: Buffer.from(context.services.storage.read(context.toAbsolute(plan))).toString('utf8'),
      force: flags.force ?? false,
      ...toPathOption(context, 'dataRoot', flags.dataRoot),
    };
    const isQueued = assertOneWay(flags);
    if (flags.withdraw === true) return withdraw(context, flags, options);
    const items = isQueued
      ? await (await import('./apply-queue.ts')).applyByQueue(context, flags, options)
      : await applyHere(context, flags, options);
    return tell(context, items);
  });
}

/** True with a queue. @throws CliError CLI_USAGE for options that belong to the other way */
function assertOneWay({ queue, queueFile, parallel, dataRoot, root, withdraw: isBack }: ApplyFlags): boolean {
  const isQueued = queue !== undefined || queueFile !== undefined;
  if (queueFile !== undefined && typeof queue === 'string') {
    throw new CliError('CLI_USAGE', { message: 'Give one of --queue URL and --queue-file FILE.' });
  }
  if (isQueued && (parallel !== undefined || dataRoot !== undefined)) {
    throw new CliError('CLI_USAGE', { message: 'With a queue, workers follow no links and choose how many run.' });
  }
  if (!isQueued && (root !== undefined || isBack === true)) {
    throw new CliError('CLI_USAGE', { message: '--root and --withdraw need --queue or --queue-file.' });
  }
  return isQueued;
}

async function applyHere(
  { services }: CliContext,
  flags: ApplyFlags,
  options: FleetOptions,
): Promise<readonly FleetItem[]> {
  const parallel = flags.parallel === undefined ? availableParallelism() : toIndex(flags.parallel);
  const workers = await openFleetWorkers(Math.min(parallel, options.paths.length));
  try {
    return await applyPlanToFleet(services, options, { run: (job) => workers.run(job), parallel });
  } finally {
    await workers.close();
  }
}

async function withdraw(context: CliContext, flags: ApplyFlags, options: FleetOptions): Promise<ExitCode> {
  const { withdrawFromQueue } = await import('./apply-queue.ts');
  const withdrawn = await withdrawFromQueue(context, flags, options);
  context.ui.result({ withdrawn }, () => `${withdrawn} of ${options.paths.length} jobs taken back\n`);
  return EXIT.ok;
}

function tell({ ui }: CliContext, items: readonly FleetItem[]): ExitCode {
  ui.result({ models: items, ...toCounts(items) }, ({ style, widthColumns }) =>
    toTable({
      columns: [{ title: 'model', isFlexible: true }, { title: 'outcome' }, { title: 'detail', isFlexible: true }],
      rows: items.map((item) => [item.path, item.outcome, toDetail(item)]),
      style,
      widthColumns,
    }),
  );
  return items.some(({ outcome }) => outcome === 'failed') ? EXIT.malformed : EXIT.ok;
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
