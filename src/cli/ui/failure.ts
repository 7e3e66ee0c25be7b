/** How a failure is told: code, sentence, evidence, fix and "did you mean"; never a cause's text, which may quote input. */
import { basename, dirname } from 'node:path';
import { type ErrorFields, EXIT, type ExitCode, ModelwardError } from '../../core/errors.ts';
import { toPrintable } from '../../core/printable.ts';
import { findClosest } from '../../core/closest.ts';
import type { Style } from '../../core/style.ts';
import { toFitting, toPadded } from '../../core/columns.ts';

/** A failure as a plain record; `--json` prints it as {"error": …}. */
export interface Failure {
  /** A code of docs/errors.md, a system error such as "ENOENT", or "INTERNAL". */
  readonly code: string;
  readonly message: string;
  readonly fields: ErrorFields;
  readonly fix: string | null;
  readonly didYouMean: readonly string[];
  readonly exit: ExitCode;
}

export interface FailureContext {
  /** Names in a folder, [] when it cannot be listed; used to find the file that was meant. */
  readonly listFolder: (folder: string) => readonly string[];
  /** The words of the command line: errors name files without their folders. */
  readonly words: readonly string[];
}

const FIELD_COLUMNS_MAX = 300;

/** Describes anything that was thrown. */
export function toFailure(error: unknown, context: FailureContext): Failure {
  if (error instanceof ModelwardError) {
    const { fields } = error;
    return {
      code: error.code,
      message: error.message,
      fields: omitKey(fields, 'didYouMean'),
      fix: error.row.fix ?? null,
      didYouMean: findMeant(error, context),
      exit: error.exit,
    };
  }
  const systemCode = findSystemCode(error);
  if (systemCode !== undefined) return toSystemFailure(systemCode, error as NodeJS.ErrnoException);
  return {
    code: 'INTERNAL',
    message: 'Internal error. This is a defect of the program, not of your input.',
    fields: { error: error instanceof Error ? `${error.name}: ${error.message}` : typeof error },
    fix: 'Run again with MODELWARD_DEBUG=1 for the place in the code, and report it.',
    didYouMean: [],
    exit: EXIT.internal,
  };
}

/** The failure as lines for stderr. */
export function toFailureText(failure: Failure, style: Style): string {
  const pairs: [string, string][] = [
    ['code', failure.code],
    ...Object.entries(failure.fields).map(([name, value]): [string, string] => [name, String(value)]),
  ];
  if (failure.fix !== null) pairs.push(['fix', failure.fix]);
  if (failure.didYouMean.length > 0) pairs.push(['did you mean', failure.didYouMean.join(', ')]);
  const width = Math.max(...pairs.map(([name]) => name.length));
  const lines = pairs.map(([name, value]) => {
    const text = name === 'fix' ? toPrintable(value) : toFitting(toPrintable(value), FIELD_COLUMNS_MAX);
    return `  ${style.dim(toPadded(toPrintable(name), width))}  ${text}\n`;
  });
  return `${style.red(style.bold('error:'))} ${toPrintable(failure.message)}\n${lines.join('')}`;
}

function findMeant(error: ModelwardError, context: FailureContext): readonly string[] {
  const given = error.fields.didYouMean;
  if (Array.isArray(given)) return given.map(String);
  const path = error.code === 'SOURCE_NOT_FOUND' ? findGivenPath(error.fields, context.words) : undefined;
  if (path === undefined) return [];
  const folder = dirname(path);
  const isBare = folder === '.' && !path.startsWith('.');
  return findClosest(basename(path), context.listFolder(folder)).map((name) => (isBare ? name : `${folder}/${name}`));
}

/** The missing file as the user wrote it, also as `--option=FILE`. */
function findGivenPath({ path, file }: ErrorFields, words: readonly string[]): string | undefined {
  if (typeof path === 'string') return path;
  if (typeof file !== 'string') return undefined;
  const given = words.map((word) => word.replace(/^--?[a-z-]+=/, ''));
  return given.find((word) => basename(word) === basename(file));
}

function findSystemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined;
  return typeof error.code === 'string' && /^E[A-Z0-9]+$/.test(error.code) ? error.code : undefined;
}

const SYSTEM_MESSAGES: Readonly<Record<string, string | undefined>> = {
  ENOENT: 'A file or folder does not exist.',
  EACCES: 'Access was denied.',
  EPERM: 'The operation is not permitted.',
  ENOSPC: 'The disk is full.',
  EDQUOT: 'The disk quota is used up.',
  EROFS: 'The disk is read-only.',
  EMFILE: 'Too many files are open.',
  EISDIR: 'A file was expected, and a folder was found.',
  ENOTDIR: 'A folder was expected, and a file was found.',
  ECONNREFUSED: 'The service refused the connection.',
  ENOTFOUND: 'The name of the service could not be resolved.',
  ETIMEDOUT: 'The service did not answer in time.',
};

function toSystemFailure(code: string, error: NodeJS.ErrnoException): Failure {
  const fields: Record<string, string> = {};
  if (error.path !== undefined) fields.path = error.path;
  if (error.syscall !== undefined) fields.call = error.syscall;
  const message = SYSTEM_MESSAGES[code] ?? 'The operating system refused an operation.';
  return { code, message, fields, fix: null, didYouMean: [], exit: EXIT.environment };
}

function omitKey(fields: ErrorFields, key: string): ErrorFields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => name !== key));
}
