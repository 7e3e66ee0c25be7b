/** What a command gets to work with, and how its outcome becomes an exit code. */
import type { Command } from 'commander';
import type { ExitCode } from '../core/errors.ts';
import type { Services } from '../workflows/index.ts';
import type { SecretTerminal } from './ui/secret.ts';
import type { Cleanups } from './ui/interrupt.ts';
import type { Ui } from './ui/ui.ts';

/** Options that every command takes. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly home?: string;
}

export interface CliContext {
  readonly ui: Ui;
  readonly services: Services;
  readonly cleanups: Cleanups;
  readonly terminal: SecretTerminal;
  /** Absolute form of a path given on the command line. */
  toAbsolute(path: string): string;
}

/** Makes the context when a command runs; help and completion never need one. */
export interface CommandHost {
  open(options: GlobalOptions): CliContext;
  /** Keeps the exit code of the command that ran. */
  end(code: ExitCode): void;
}

/**
 * Binds a command's work to commander: `work` gets the context, the arguments and the options, and returns the exit code.
 */
export function onAction<Options extends object>(
  host: CommandHost,
  command: Command,
  work: (context: CliContext, options: Options, words: readonly string[]) => Promise<ExitCode>,
): Command {
  return command.action(async () => {
    const options = command.optsWithGlobals<Options & GlobalOptions>();
    host.end(await work(host.open(options), options, command.args));
  });
}
