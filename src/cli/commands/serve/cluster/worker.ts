/** A worker of `modelward serve`: opens the gateway as the command does, with what the first process told it. */
import type { GatewayConfig } from '../../../../gateway/index.ts';
import {
  createLedgerUse,
  type OpenedWorker,
  type RunningWorker,
  runWorker,
  type Seat,
  serveGateway,
  type WorkerTask,
} from '../../../../workflows/gateway/serve/index.ts';
import { pause, TOOL_VERSION } from '../../../compose.ts';
import type { CliContext } from '../../../context.ts';
import { openHost } from '../host.ts';
import { openWatch } from '../operations/open.ts';
import { createRuntimesSeen } from '../runtimes.ts';
import { openPrimaryLine } from './compose.ts';
import { type WorkerOptions, workerOptionsSchema } from './worker-options.ts';

/** @param toContext opens what a command works with, once it is known where */
export function serveAsWorker(toContext: (options: WorkerOptions) => CliContext): RunningWorker {
  return runWorker({
    ...{ line: openPrimaryLine(), pause },
    open: (task, seat) => {
      const options = workerOptionsSchema.parse(task.options);
      return openWorker({ context: toContext(options), task, seat, options });
    },
  });
}

interface Opening {
  readonly context: CliContext;
  readonly task: WorkerTask;
  readonly seat: Seat;
  readonly options: WorkerOptions;
}

async function openWorker({ context, task, seat, options }: Opening): Promise<OpenedWorker> {
  // The first process has read and checked it.
  const config = task.config as GatewayConfig;
  const session = { recorder: createLedgerUse(context.services, task.ledger, seat.call) };
  const { pepperFile } = options;
  const flags = pepperFile === undefined ? {} : { pepperFile };
  const opening = { context, session, config, flags, readConfig: () => Promise.resolve(config) };
  const watch = await openWatch(opening);
  try {
    const runtimes = createRuntimesSeen();
    const parts = {
      anchor: seat.anchor,
      watch,
      cluster: seat.shared,
      drain: () => undefined,
      onRuntime: runtimes.note,
    };
    const gateway = await serveGateway({ config, host: await openHost(opening, parts), version: TOOL_VERSION });
    return {
      gateway: {
        ...gateway,
        prepare: (ask) => {
          watch.reopen();
          return gateway.prepare(ask);
        },
        stop: async () => {
          const isWhole = await gateway.stop();
          await watch.close();
          return isWhole;
        },
      },
      runtimes: runtimes.list(),
      readMetrics: () => watch.operations.registry.read(),
    };
  } catch (error) {
    await watch.close();
    throw error;
  }
}
