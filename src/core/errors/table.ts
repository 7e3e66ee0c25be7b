/** The shape of one row in an error table: what the code means, and how each interface answers with it. */

/** The process exit codes; one table for every command (docs/cli.md). */
export const EXIT = {
  ok: 0,
  findings: 1,
  usage: 2,
  malformed: 3,
  cannotTell: 4,
  noKey: 5,
  environment: 6,
  internal: 70,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** One error code: default message (no secrets, no placeholders), CLI exit code, HTTP status, and the fix. */
export interface ErrorRow {
  readonly message: string;
  readonly exit: ExitCode;
  readonly http: number;
  /** What the user can do about it, printed after the message by the CLI. */
  readonly fix?: string;
}

/** Keeps the literal keys of a table while checking every row's shape. */
export function defineErrors<K extends string>(rows: Record<K, ErrorRow>): Readonly<Record<K, ErrorRow>> {
  return Object.freeze(Object.assign(Object.create(null) as Record<K, ErrorRow>, rows));
}
