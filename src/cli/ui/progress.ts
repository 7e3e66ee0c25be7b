/** Progress on stderr, for steps that take over a second: a bar on a terminal, plain lines elsewhere. */
import type { Clock, Progress } from '../../core/ports.ts';
import { toPrintable } from '../../core/printable.ts';
import { toByteText, toCountText, toDurationText } from '../../core/quantities.ts';
import type { Style } from '../../core/style.ts';
import { toColumns, toFitting, toPadded } from '../../core/columns.ts';

export interface ProgressOptions {
  readonly write: (text: string) => void;
  readonly clock: Clock;
  readonly style: Style;
  readonly isTty: boolean;
  readonly isUnicode: boolean;
  /** Columns of the terminal, asked at every redraw because windows change. */
  readonly columns: () => number;
}

/** Progress that owns at most one unfinished line of the terminal. */
export interface ProgressLine extends Progress {
  /** Takes the unfinished line away, before something else is printed or the program ends. */
  clear(): void;
}

interface Step {
  readonly name: string;
  readonly total: number | undefined;
  readonly unit: 'bytes' | 'items';
  readonly startMs: number;
  amount: number;
  shownMs: number;
}

const SHOWN_AFTER_MS = 1000;
const REDRAW_MS = 100;
const PLAIN_LINE_MS = 10_000;
const BAR_COLUMNS = 24;
const NAME_COLUMNS = 28;
const CLEAR_LINE = '\r\u001b[2K';

/** A progress receiver; calls between redraws cost one clock reading. */
export function createProgress(options: ProgressOptions): ProgressLine {
  const { write, clock, isTty } = options;
  let step: Step | undefined;
  let isLineOpen = false;

  const clear = (): void => {
    if (isLineOpen) write(CLEAR_LINE);
    isLineOpen = false;
  };
  const draw = (now: Step, nowMs: number): void => {
    const line = isTty ? toBarLine(now, nowMs, options) : toPlainLine(now);
    write(isTty ? `${CLEAR_LINE}${line}` : `${line}\n`);
    isLineOpen = isTty;
    now.shownMs = nowMs;
  };

  return {
    clear,
    step(name, total, unit = 'items') {
      clear();
      const nowMs = clock.nowMs();
      step = { name: toPrintable(name), total, unit, startMs: nowMs, amount: 0, shownMs: nowMs };
      // The name at once: a step that never reports must not look like a hang.
      if (isTty) draw(step, nowMs);
    },
    advance(amount) {
      if (step === undefined) return;
      step.amount += amount;
      const nowMs = clock.nowMs();
      const isDue = nowMs - step.shownMs >= (isTty ? REDRAW_MS : PLAIN_LINE_MS);
      if (isDue && nowMs - step.startMs >= SHOWN_AFTER_MS) draw(step, nowMs);
    },
    done() {
      if (step === undefined) return;
      clear();
      const nowMs = clock.nowMs();
      // A terminal keeps a list of what was done; elsewhere a line is worth its place only when there was time to wonder.
      if (isTty || nowMs - step.startMs >= SHOWN_AFTER_MS) write(`${toDoneLine(step, nowMs, options)}\n`);
      step = undefined;
    },
  };
}

function toBarLine(step: Step, nowMs: number, options: ProgressOptions): string {
  const elapsedMs = nowMs - step.startMs;
  const width = Math.max(1, options.columns() - 1);
  if (elapsedMs < SHOWN_AFTER_MS) return toFitting(`  ${step.name} …`, width);
  const fraction = toFraction(step);
  const speed = step.unit === 'bytes' ? `${toByteText((step.amount / elapsedMs) * 1000)}/s` : '';
  const parts =
    fraction === undefined
      ? [toAmountText(step), speed, toDurationText(elapsedMs)]
      : [
          `${String(Math.floor(fraction * 100)).padStart(3)} %`,
          toBar(fraction, options.isUnicode),
          toAmountText(step),
          fraction > 0 ? `${toDurationText((elapsedMs / fraction) * (1 - fraction))} left` : '',
          speed,
        ];
  return toLineOfParts(
    step.name,
    parts.filter((part) => part !== ''),
    width,
  );
}

/** As many parts as fit behind the name; the last ones matter least. */
function toLineOfParts(name: string, parts: readonly string[], width: number): string {
  for (let count = parts.length; count > 0; count -= 1) {
    const line = ['', name, ...parts.slice(0, count)].join('  ');
    if (toColumns(line) <= width) return line;
  }
  return toFitting(`  ${name}`, width);
}

function toBar(fraction: number, isUnicode: boolean): string {
  const filled = Math.round(fraction * BAR_COLUMNS);
  const [full, empty] = isUnicode ? ['█', '░'] : ['#', '-'];
  return full.repeat(filled) + empty.repeat(BAR_COLUMNS - filled);
}

function toPlainLine(step: Step): string {
  const fraction = toFraction(step);
  const percent = fraction === undefined ? '' : `${Math.floor(fraction * 100)} %, `;
  return `${step.name}: ${percent}${toAmountText(step)}`;
}

function toDoneLine(step: Step, nowMs: number, options: ProgressOptions): string {
  const took = toDurationText(nowMs - step.startMs);
  // Items are steps of the algorithm; their number means nothing to a reader once they are done.
  const amount = step.unit === 'bytes' && step.amount > 0 ? toAmountText({ ...step, total: undefined }) : '';
  if (!options.isTty) return `${step.name}: ${amount === '' ? '' : `${amount} in `}${took}`;
  const mark = options.style.green(options.isUnicode ? '✓' : 'ok');
  const name = toPadded(step.name, NAME_COLUMNS);
  return `${mark} ${name} ${options.style.dim(`${toPadded(amount, 12, 'right')}  ${toPadded(took, 10, 'right')}`)}`;
}

function toAmountText(step: Step): string {
  const toText = step.unit === 'bytes' ? toByteText : toCountText;
  return step.total === undefined ? toText(step.amount) : `${toText(step.amount)} of ${toText(step.total)}`;
}

/** Work done as a fraction; totals are estimates, so more than all of it is shown as all. */
function toFraction(step: Step): number | undefined {
  if (step.total === undefined || !(step.total > 0)) return undefined;
  return Math.min(1, Math.max(0, step.amount / step.total));
}
