/** The command line: parse, run one command, tell a failure, return the exit code. */
import { resolve } from 'node:path';
import process from 'node:process';
import { EXIT, type ExitCode, SourceError } from '../core/errors.ts';
import { isObjectAddress, parseObjectAddress, toObjectText } from '../source/object-address.ts';
import { toDefaultHome } from '../workflows/home.ts';
import { composeServices, TOOL_VERSION } from './compose.ts';
import type { CommandHost, GlobalOptions } from './context.ts';
import { createProgram } from './program.ts';
import { createCleanups, installInterrupt } from './ui/interrupt.ts';
import { createProcessUi, createSecretTerminal, writeStdout } from './ui/process-ui.ts';
import { askSecret, readSecretFile } from './ui/secret.ts';
import type { Ui } from './ui/ui.ts';
import { configureForUi, toUsageError } from './ui/usage.ts';

/**
 * Runs the command line.
 * @param argv the words after the script's name
 * @returns the exit code (docs/cli.md)
 */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  const clock = { nowMs: () => Date.now() };
  const cleanups = createCleanups();
  // Known before parsing, so that usage errors are told the way that was asked for.
  let ui: Ui = createProcessUi({ process, clock, isJson: argv.includes('--json'), isQuiet: argv.includes('--quiet') });
  let exit: ExitCode = EXIT.ok;
  const tellExposed = (ways: readonly string[]): void => {
    ui.caution(`keys and weights in memory can reach a disk of this machine: ${ways.join(', ')} (docs/keys.md)`);
  };
  const host: CommandHost = {
    open(options: GlobalOptions) {
      ui = createProcessUi({ process, clock, isJson: options.json === true, isQuiet: options.quiet === true });
      const home = resolve(options.home ?? toDefaultHome(process.env, process.platform));
      const terminal = createSecretTerminal(process);
      return {
        ui,
        services: composeServices({
          home,
          progress: ui.progress,
          cleanups,
          ...(process.env.MODELWARD_MEMORY_WARNING === '0' ? {} : { onExposed: tellExposed }),
          askPassphrase: async ({ isNew }) => {
            const path = options.keyPassphraseFile;
            if (path !== undefined) return readSecretFile(resolve(path));
            return askSecret({ terminal, prompt: 'Passphrase or PIN of the key', isNew });
          },
        }),
        terminal,
        toAbsolute: toPath,
        toLocation: (word) => (isObjectAddress(word) ? toObjectText(parseObjectAddress(word)) : resolve(word)),
        onStop: (stop) => {
          cleanups.stopBy(stop);
        },
        onReload: (reload) => {
          if (!ui.isInteractive) cleanups.reloadBy(reload);
        },
      };
    },
    end(code) {
      exit = code;
    },
  };
  const uninstall = installInterrupt({
    process,
    cleanups,
    onInterrupt: () => {
      ui.note('interrupted: nothing half-done stays behind');
    },
  });
  const program = configureForUi(createProgram(host, toVersionText(argv)), writeStdout);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exit;
  } catch (error) {
    const usage = toUsageError(error, program, argv);
    return usage === 'shown' ? EXIT.ok : ui.fail(usage ?? error);
  } finally {
    uninstall();
  }
}

/** An object is not taken for a path: a folder called "s3:" would be made, or looked for. */
function toPath(word: string): string {
  if (isObjectAddress(word)) throw new SourceError('OBJECT_NOT_TAKEN');
  return resolve(word);
}

/** Commander prints it before any command runs, so that it must know how it is asked for. */
function toVersionText(argv: readonly string[]): string {
  return argv.includes('--json') ? JSON.stringify({ version: TOOL_VERSION }) : TOOL_VERSION;
}
