/**
 * The rules of printing, in one object.
 *
 * 1. Data goes to stdout, everything else (progress, notes, warnings, errors) to stderr.
 * 2. With --json, stdout gets exactly one line: the result object, or {"error": …} when the command failed.
 * 3. --quiet silences progress, notes and cautions; warnings and errors stay.
 * 4. Colours and bars only on a terminal; NO_COLOR is obeyed.
 * 5. Texts that come from files are printed through `toPrintable`, so a name cannot move the cursor.
 */
import type { ExitCode } from '../../core/errors.ts';
import { type Clock, type Progress, silentProgress } from '../../core/ports.ts';
import { toPrintable } from '../../core/printable.ts';
import { type Failure, toFailure, toFailureText } from './failure.ts';
import { createProgress } from './progress.ts';
import { createStyle, type Environment, isColorWanted, isUnicodeWanted, type Style } from '../../core/style.ts';

/** What is needed of a stream. */
export interface TextSink {
  write(text: string): void;
  readonly isTty: boolean;
  /** Columns of the terminal; undefined when it is none. */
  readonly columns: () => number | undefined;
}

export interface UiOptions {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly env: Environment;
  readonly platform: string;
  readonly clock: Clock;
  readonly listFolder: (folder: string) => readonly string[];
  /** The words after the program's name. */
  readonly words: readonly string[];
  readonly isJson?: boolean;
  readonly isQuiet?: boolean;
}

/** How human-readable data should look on stdout. */
export interface TextLook {
  readonly style: Style;
  /** Columns to fit into; undefined when stdout is no terminal, and nothing needs cutting. */
  readonly widthColumns: number | undefined;
}

export interface Ui {
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  /** True when questions can be asked: stderr is a terminal and output is for people. */
  readonly isInteractive: boolean;
  /** For text on stderr. */
  readonly style: Style;
  readonly progress: Progress;
  /** A line for people on stderr. */
  note(line: string): void;
  /** A line that must be seen, on stderr, even when quiet. */
  warn(line: string): void;
  /** What is to be known of the machine: as `note`, and in `warnings` of the JSON result. */
  caution(line: string): void;
  /** The one result of the command: `value` as JSON, or `toText` for people; lines end in "\n". */
  result(value: object, toText: (look: TextLook) => string): void;
  /** Tells a failure and returns the exit code for it. */
  fail(error: unknown): ExitCode;
}

const DEFAULT_COLUMNS = 80;

/** Makes the printer of one command run. */
export function createUi(options: UiOptions): Ui {
  const { stdout, stderr, env, isJson = false, isQuiet = false } = options;
  const style = createStyle(isColorWanted(env, stderr.isTty));
  const write = stderr.write.bind(stderr);
  const progress = createProgress({
    write,
    clock: options.clock,
    style,
    isTty: stderr.isTty,
    isUnicode: isUnicodeWanted(env, options.platform),
    columns: () => stderr.columns() ?? DEFAULT_COLUMNS,
  });
  let hasResult = false;
  const cautions: string[] = [];

  const printResult = (text: string): void => {
    if (hasResult) throw new Error('internal error: a command printed two results');
    hasResult = true;
    progress.clear();
    stdout.write(text);
  };
  const note = (line: string): void => {
    progress.clear();
    write(`${line}\n`);
  };

  return {
    isJson,
    isQuiet,
    isInteractive: stderr.isTty && !isJson && !isQuiet,
    style,
    progress: isQuiet ? silentProgress : progress,
    note: isQuiet ? () => undefined : note,
    warn: (line) => {
      note(`${style.yellow('warning:')} ${toPrintable(line)}`);
    },
    caution: (line) => {
      cautions.push(line);
      if (!isQuiet) note(`${style.yellow('warning:')} ${toPrintable(line)}`);
    },
    result(value, toText) {
      const look = { style: createStyle(isColorWanted(env, stdout.isTty)), widthColumns: stdout.columns() };
      printResult(isJson ? toJsonLine(withWarnings(value, cautions)) : toText(look));
    },
    fail(error) {
      progress.clear();
      const failure = toFailure(error, options);
      write(toFailureText(failure, style));
      if (env.MODELWARD_DEBUG === '1' && error instanceof Error) write(`${error.stack ?? ''}\n`);
      if (isJson && !hasResult) printResult(toJsonLine({ error: toFailureRecord(failure) }));
      return failure.exit;
    },
  };
}

function withWarnings(value: object, cautions: readonly string[]): object {
  if (cautions.length === 0 || Array.isArray(value)) return value;
  const own = 'warnings' in value && Array.isArray(value.warnings) ? (value.warnings as unknown[]) : [];
  return { ...value, warnings: [...own, ...cautions] };
}

function toFailureRecord(failure: Failure): object {
  const { code, message, fields, fix, didYouMean, exit } = failure;
  return { code, message, fields, fix, didYouMean, exit };
}

/** One line of JSON in which no character can act on a terminal (C1 controls, direction marks are escaped as well). */
export function toJsonLine(value: object): string {
  const escaped = JSON.stringify(value).replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${escaped}\n`;
}
