/** What a bench row is: our command and a public yardstick, run in turn in one run, judged by ratios. */

/** A child process to measure. Ours run built code (`node scripts/bench/cases/X.js …` importing dist/), never tsx. */
export interface BenchCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Untimed, before every run: removes last outputs and the like. */
  readonly before?: () => void;
}

/** One run of one command. */
export interface BenchSample {
  readonly wallMs: number;
  /** User + system time of the process and its children. */
  readonly cpuMs: number;
  /** VmHWM in MiB; null when the process ended before it could be read. */
  readonly peakRssMib: number | null;
  /** The last line of stdout that parses as a JSON object, else null: figures measured inside the process. */
  readonly output: Readonly<Record<string, unknown>> | null;
}

export interface BenchMeasure {
  readonly ours: readonly BenchSample[];
  readonly yardstick: readonly BenchSample[];
}

export interface BenchVerdict {
  /** What was reached, in the words of the bar, such as "0.87 x openssl (median of 5 pairs), 61 MiB". */
  readonly figure: string;
  readonly met: boolean;
}

export interface BenchCase {
  readonly ours: BenchCommand;
  /** Null where the bar is absolute (a peak of memory, a time measured inside). */
  readonly yardstick: BenchCommand | null;
  /** How many pairs; the first pair is a warm-up that is thrown away when there are more than two. */
  readonly pairs: number;
  judge(measure: BenchMeasure): BenchVerdict;
}

export interface BenchRow {
  /** Stable, kebab-case: docs/features.md names it. */
  readonly id: string;
  readonly title: string;
  /** The bar as the issue states it. */
  readonly bar: string;
  /** Bytes of free disk that the row needs; it is reported as not run when there is less. */
  readonly diskBytes: number;
  /** Why the row cannot be run in this folder, in words, or null: a file system that lacks what is measured. */
  findObstacle?(parent: string): string | null;
  /** Makes inputs inside `folder` (real bytes, no reflinks) and says what to run. */
  prepare(folder: string): Promise<BenchCase>;
}
