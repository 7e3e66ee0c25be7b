/** `modelward graph apply --queue`: the same over several machines; the jobs outlive this process. */
import { QueueError } from '../../../core/errors.ts';
import type { FleetItem, FleetOptions } from '../../../workflows/graph/fleet.ts';
import { applyPlanByQueue, withdrawPlan } from '../../../workflows/graph/queue/submit.ts';
import { pause } from '../../compose.ts';
import type { CliContext } from '../../context.ts';
import { openQueue, type QueueFlags } from '../queue-flags.ts';

const STAYING = 'the jobs stay in the queue: the same command follows them again, with --withdraw it takes them back';

/** Submits and follows. @throws QueueError; SurgeryError SURGERY_PLAN_MALFORMED */
export async function applyByQueue(
  context: CliContext,
  flags: QueueFlags,
  options: FleetOptions,
): Promise<readonly FleetItem[]> {
  const { ui, services } = context;
  const { queue, server } = await openSubmitting(context, flags);
  const forget = services.onInterrupt(() => {
    ui.note(STAYING);
  });
  try {
    return await applyPlanByQueue(
      services,
      { ...options, root: toRoot(context, flags) },
      {
        queue,
        pause,
        onNoWorker: () => {
          ui.note(`no worker has taken a job from ${server} yet: "modelward worker --root DIR" starts one`);
        },
      },
    );
  } catch (error) {
    if (error instanceof QueueError && error.code === 'QUEUE_UNREACHABLE') ui.note(STAYING);
    throw error;
  } finally {
    forget();
    await queue.close();
  }
}

/** Takes back what no worker has begun; returns the number of jobs. */
export async function withdrawFromQueue(
  context: CliContext,
  flags: QueueFlags,
  options: FleetOptions,
): Promise<number> {
  const { queue } = await openSubmitting(context, flags);
  try {
    return await withdrawPlan({ ...options, root: toRoot(context, flags) }, { queue });
  } finally {
    await queue.close();
  }
}

const openSubmitting = (context: CliContext, flags: QueueFlags): ReturnType<typeof openQueue> =>
  openQueue(context, flags, { leaseSeconds: null, connectionsMax: 1 });

const toRoot = (context: CliContext, { root }: QueueFlags): string => context.toAbsolute(root ?? '.');
