/** Entry of the processes that answer for `modelward serve --workers`; the first process starts the built file. */
import { resolve } from 'node:path';
import process from 'node:process';
import { CliError, SourceError } from '../../core/errors.ts';
import { isObjectAddress, parseObjectAddress, toObjectText } from '../../source/object-address.ts';
import { serveAsWorker } from '../commands/serve/cluster/worker.ts';
import type { WorkerOptions } from '../commands/serve/cluster/worker-options.ts';
import { composeServices } from '../compose.ts';
import type { CliContext } from '../context.ts';
import { createCleanups } from '../ui/interrupt.ts';
import { createProcessUi, createSecretTerminal } from '../ui/process-ui.ts';
import { readSecretFile } from '../ui/secret.ts';

const cleanups = createCleanups();
// Node ends a worker at once when the first process is gone.
process.on('exit', () => {
  cleanups.run();
});
// Those who press Ctrl-C, or close a terminal, reach the first process as well, which tells the end in good order.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
// A listener keeps the signal from starting the inspector, which would show the heap to any local user's debugger.
process.on('SIGUSR1', () => undefined);

const worker = serveAsWorker(toContext);
process.on('SIGTERM', () => {
  // In a later turn: where the first process was told, too, and asks for the end, it is answered.
  void worker.stop().then(() => setImmediate(end));
});
void worker.ended.then(end);

function end(): void {
  process.exit(0);
}

function toContext({ home, isQuiet, keyPassphraseFile }: WorkerOptions): CliContext {
  const ui = createProcessUi({ process, clock: { nowMs: () => Date.now() }, isJson: false, isQuiet });
  return {
    ui,
    services: composeServices({
      ...{ home, progress: ui.progress, cleanups },
      askPassphrase: () => {
        // The terminal is one, and workers are several.
        if (keyPassphraseFile === undefined) return Promise.reject(new CliError('CLI_NO_TERMINAL'));
        return Promise.resolve(readSecretFile(keyPassphraseFile));
      },
    }),
    terminal: createSecretTerminal(process),
    toAbsolute: (word) => {
      if (isObjectAddress(word)) throw new SourceError('OBJECT_NOT_TAKEN');
      return resolve(word);
    },
    toLocation: (word) => (isObjectAddress(word) ? toObjectText(parseObjectAddress(word)) : resolve(word)),
    onStop: () => undefined,
    onReload: () => undefined,
  };
}
