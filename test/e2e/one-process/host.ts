/** One process of the built command for many command lines: starting one for each would take most of the time of a file. */
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface OneProcess {
  /** Runs a command line; the thread of the test waits. */
  run(words: readonly string[]): Run;
  /** As `run`, while the test's own servers go on answering. */
  runBeside(words: readonly string[]): Promise<Run>;
  /** Hangs up; throws when the process does not end by itself: a command left a timer, socket or thread open. */
  end(): void;
}

type Answer = Partial<Run> & { readonly problem?: string };

/** @param place folder and environment of the process */
export function startOneProcess(place: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }): OneProcess {
  const entry = pathToFileURL(join(import.meta.dirname, '../../../dist/cli/main.js')).href;
  const { port1, port2 } = new MessageChannel();
  const answered = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('thread.js', import.meta.url), {
    workerData: { ...place, entry, port: port2, answered },
    transferList: [port2],
    execArgv: [],
  });
  worker.unref();
  port1.unref();
  const take = (answer: Answer): Run => {
    if (answer.problem !== undefined) throw new TypeError(answer.problem);
    return answer as Run;
  };
  const ask = (words: readonly string[] | null): Run => {
    port1.postMessage(words);
    while (true) {
      const seen = Atomics.load(answered, 0);
      const received: { readonly message: unknown } | undefined = receiveMessageOnPort(port1);
      if (received !== undefined) return take(received.message as Answer);
      Atomics.wait(answered, 0, seen);
    }
  };
  return {
    run: ask,
    runBeside: async (words) => {
      port1.postMessage(words);
      const [answer] = (await once(port1, 'message')) as [Answer];
      return take(answer);
    },
    end: () => {
      ask(null);
      void worker.terminate();
    },
  };
}
