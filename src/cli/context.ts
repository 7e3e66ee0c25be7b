/** What a command gets to work with, and how its outcome becomes an exit code. */
import type { Command } from 'commander';
import type { ExitCode } from '../core/errors.ts';
import type { Services } from '../workflows/services.ts';
import type { Session } from '../workflows/session.ts';
import type { SecretTerminal } from './ui/secret.ts';
import type { Ui } from './ui/ui.ts';

/** Options that every command takes. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly home?: string;
  readonly keyPassphraseFile?: string;
}

export interface CliContext {
  readonly ui: Ui;
  readonly services: Services;
  readonly terminal: SecretTerminal;
  /** Absolute form of a path given on the command line. @throws SourceError OBJECT_NOT_TAKEN for an address of an object */
  toAbsolute(path: string): string;
  /** As `toAbsolute`, where objects are taken, too: an address stays as it is. @throws SourceError OBJECT_ADDRESS_INVALID */
  toLocation(word: string): string;
  /** For a command that runs until it is told to stop: the first signal calls `stop`, the second one ends the process. */
  onStop(stop: () => void): void;
  /** For the same: SIGHUP calls `reload`; in a terminal it still means that the terminal is gone. */
  onReload(reload: () => void): void;
}

/** Makes the context when a command runs; help and completion never need one. */
export interface CommandHost {
  open(options: GlobalOptions): CliContext;
  /** Keeps the exit code of the command that ran. */
  end(code: ExitCode): void;
}

/** A command's work: gets the context, the options and the words, and returns the exit code. */
export type Work<Options> = (
  context: CliContext,
  options: Options & GlobalOptions,
  words: readonly string[],
) => Promise<ExitCode> | ExitCode;

/** Binds work to a command. */
export function onAction<Options extends object>(host: CommandHost, command: Command, work: Work<Options>): Command {
  return command.action(async () => {
    const options = command.optsWithGlobals<Options & GlobalOptions>();
    host.end(await work(host.open(options), options, command.args));
  });
}

/** Runs `work` with the owner of the home, and wipes its secrets afterwards. */
export async function withSession<T>(
  { services }: CliContext,
  work: (session: Session) => Promise<T>,
  ownerId?: string,
): Promise<T> {
  const { openSession } = await import('../workflows/session.ts');
  const session = openSession(services, ownerId);
  try {
    return await work(session);
  } finally {
    session.close();
  }
}

/** As `withSession`, for work that may do without the owner: the session is opened on the first call. */
export async function withLazySession<T>(
  { services }: CliContext,
  work: (open: () => Session) => Promise<T>,
): Promise<T> {
  const { openSession } = await import('../workflows/session.ts');
  let session: Session | undefined;
  try {
    return await work(() => (session ??= openSession(services)));
  } finally {
    session?.close();
  }
}

/** `{ key: absolute path }` when a path was given, else `{}`: for options that may be left out. */
export function toPathOption<K extends string>(
  context: CliContext,
  key: K,
  path: string | undefined,
): Partial<Record<K, string>> {
  return path === undefined ? {} : ({ [key]: context.toAbsolute(path) } as Record<K, string>);
}

/** As `toPathOption`, where objects are taken, too. */
export function toLocationOption<K extends string>(
  context: CliContext,
  key: K,
  word: string | undefined,
): Partial<Record<K, string>> {
  return word === undefined ? {} : ({ [key]: context.toLocation(word) } as Record<K, string>);
}
