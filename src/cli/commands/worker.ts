/** `modelward worker`: edits models for fleets of other machines, until it is told to stop. */
import { type Command, InvalidArgumentError } from 'commander';
import { EXIT, SourceError } from '../../core/errors.ts';
import { toPrintable } from '../../core/printable.ts';
import { type WorkEvent, workOnQueue } from '../../workflows/graph/queue/work.ts';
import { addExamples } from '../command-spec.ts';
import { openFleetWorkers, pause } from '../compose.ts';
import { type CliContext, type CommandHost, onAction } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import { addQueueOptions, openQueue, type QueueFlags } from './queue-flags.ts';

interface WorkerFlags extends QueueFlags {
  readonly root: string;
  readonly concurrency: number;
  readonly lease: number;
  readonly grace: number;
  readonly maxJobs?: number;
  readonly drain?: boolean;
  readonly allowReplace?: boolean;
}

export function defineWorker(command: Command, host: CommandHost): void {
  command
    .description(
      'Takes jobs that "modelward graph apply --queue" submitted, from a PostgreSQL server, until it is stopped. A job may come from anybody who can write to the queue: it reads and writes below --root only, follows no links, and replaces no file unless that is allowed. SIGTERM or Ctrl-C: no more jobs are taken, running ones end or are given back. Needs the package pg-boss.',
    )
    .requiredOption('--root <dir>', 'the folder that all machines share; nothing outside is touched');
  addQueueOptions(command)
    .option('--concurrency <count>', 'jobs at a time', toCount(1, 256), 1)
    .option(
      '--lease <seconds>',
      'without a sign of life for so long, another worker gets the job',
      toCount(3, 3600),
      60,
    )
    .option('--grace <seconds>', 'time that running jobs have when the worker is stopped', toCount(0, 3600), 20)
    .option('--max-jobs <count>', 'end after so many jobs', toCount(1, 1e9))
    .option('--drain', 'end when no job waits')
    .option('--allow-replace', 'do jobs of "graph apply --force", which replace files');
  addExamples(command, [
    {
      command: 'modelward worker --root /mnt/models --queue-file /etc/modelward/queue',
      summary: 'a worker of a fleet; run it on as many machines as you like',
    },
    {
      command: 'modelward worker --root /mnt/models --queue-file queue.url --drain --concurrency 4',
      summary: 'what waits now, four models at a time; for cron',
    },
  ]);
  onAction<WorkerFlags>(host, command, work);
}

async function work(context: CliContext, flags: WorkerFlags): Promise<0> {
  const { ui, services } = context;
  const { concurrency, lease, grace, maxJobs, drain = false, allowReplace = false } = flags;
  const root = context.toAbsolute(flags.root);
  // A share that is not mounted must not make every model of a fleet fail.
  if (!services.isFolder(root)) {
    throw new SourceError('SOURCE_NOT_FOUND', {
      message: 'The folder of --root does not exist.',
      fields: { path: flags.root },
    });
  }
  const stop = new AbortController();
  context.onStop(() => {
    ui.note('stopping: no more jobs are taken; again to end at once');
    stop.abort();
  });
  // Each running job gives signs of life while others are taken.
  const { queue, server } = await openQueue(context, flags, { leaseSeconds: lease, connectionsMax: concurrency + 1 });
  const runners = await openFleetWorkers(concurrency);
  try {
    ui.note(`taking jobs from ${server} for models below ${root}`);
    const tally = await workOnQueue(
      {
        ...{ queue, storage: services.storage, pause, stop: stop.signal },
        run: (job) => runners.run(job),
        endRuns: () => runners.close(),
        tell: (event) => {
          tellEvent(context, root, event);
        },
      },
      {
        ...{ root, mayReplace: allowReplace, concurrency, isDrain: drain, jobsMax: maxJobs ?? null },
        ...{ leaseSeconds: lease, graceSeconds: grace },
      },
    );
    ui.result(tally, ({ style }) =>
      toPairs(
        [
          ['edited', `${tally.edited}`],
          ['present', `${tally.present}`],
          ['failed', `${tally.failed}`],
          ['crashed', `${tally.crashed}`],
          ['given back', `${tally.givenBack}`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  } finally {
    await runners.close();
    await queue.close();
  }
}

/** One line per event: a worker's output is a log. */
function tellEvent({ ui }: CliContext, root: string, event: WorkEvent): void {
  const toName = (path: string): string => toPrintable(path.slice(root.length + 1));
  if (event.kind === 'unreachable') ui.warn('the queue does not answer; trying again');
  else if (event.kind === 'crashed') ui.warn(`${toName(event.path)}: ended without an answer; it is tried again`);
  else if (event.kind === 'given-back') ui.note(`given back: ${toName(event.path)}`);
  else if (event.result.outcome !== 'failed') ui.note(`${event.result.outcome}: ${toName(event.path ?? root)}`);
  else ui.warn(`${event.path === null ? 'a job' : toName(event.path)}: ${event.result.code}`);
}

/** @throws InvalidArgumentError outside min..max */
function toCount(min: number, max: number): (text: string) => number {
  return (text) => {
    const count = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
    if (count >= min && count <= max) return count;
    throw new InvalidArgumentError(`Not a whole number from ${min} to ${max}.`);
  };
}
