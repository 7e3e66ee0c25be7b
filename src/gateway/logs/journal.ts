/** The journal of the gateway for its operator: one line of JSON for each event (docs/spec/journal.md). */
import { JOURNAL_LIMITS } from '../../core/limits/metrics.ts';
import type { Clock } from '../../core/ports.ts';
import { JOURNAL_EVENTS, type JournalEvent, type JournalLevel } from './events.ts';
import { toFaultFields } from './fault.ts';
import { checkFields, type JournalFields } from './fields.ts';

export interface Journal {
  /** Never throws. */
  tell(event: JournalEvent, fields?: JournalFields): void;
  /** An error that the gateway cannot account for, or the code of one that it can. Never throws. */
  fault(error: unknown, fields?: JournalFields): void;
  /** Something was asked for, and is not taken up: the event, with what may be told of the error. Never throws. */
  refuse(event: 'model-refused' | 'config-refused', error: unknown, fields?: JournalFields): void;
  /** Tells how many lines were held back or lost, if any. */
  end(): void;
}

export interface JournalOptions {
  /** Takes a line with its end; false when there is no room for it. */
  readonly write: (line: string) => boolean;
  readonly clock: Clock;
  /** Events below it are not told. */
  readonly level?: JournalLevel;
  /** In each line: names of this process. */
  readonly common?: JournalFields;
}

const RANK: Readonly<Record<JournalLevel, number>> = { info: 0, warn: 1, error: 2 };

interface Kind {
  sinceMs: number;
  lines: number;
  heldBack: number;
}

export function createJournal(options: JournalOptions): Journal {
  return new LineJournal(options);
}

class LineJournal implements Journal {
  readonly #write: (line: string) => boolean;
  readonly #clock: Clock;
  readonly #rank: number;
  readonly #common: Record<string, unknown>;
  readonly #kinds = new Map<string, Kind>();
  #lost = 0;

  constructor({ write, clock, level = 'info', common = {} }: JournalOptions) {
    this.#write = write;
    this.#clock = clock;
    this.#rank = RANK[level];
    this.#common = checkFields(common, true).shown;
  }

  tell(event: JournalEvent, fields: JournalFields = {}): void {
    const { level, isBundled } = JOURNAL_EVENTS[event];
    if (RANK[level] < this.#rank) return;
    const nowMs = this.#clock.nowMs();
    const { shown, withheld } = checkFields(fields, true);
    const heldBack = isBundled ? this.#hold(`${event} ${String(shown.code)} ${String(shown.part)}`, nowMs) : 0;
    if (heldBack === null) return;
    this.#put({
      ...{ time: new Date(nowMs).toISOString(), level, event },
      ...this.#common,
      ...shown,
      ...(withheld.length > 0 && { withheld }),
      ...(heldBack > 0 && { heldBack }),
    });
  }

  fault(error: unknown, fields: JournalFields = {}): void {
    const told = { ...fields, ...toFaultFields(error) };
    this.tell(told.code === 'UNKNOWN' || told.frames !== undefined ? 'fault' : 'trouble', told);
  }

  refuse(event: 'model-refused' | 'config-refused', error: unknown, fields: JournalFields = {}): void {
    this.tell(event, { ...fields, ...toFaultFields(error) });
  }

  end(): void {
    let heldBack = 0;
    for (const kind of this.#kinds.values()) heldBack += kind.heldBack;
    this.#kinds.clear();
    if (heldBack === 0 && this.#lost === 0) return;
    const time = new Date(this.#clock.nowMs()).toISOString();
    this.#put({ time, level: 'warn', event: 'trouble', ...this.#common, code: 'JOURNAL_HELD_BACK', heldBack });
  }

  /** How many of this kind were held back since the last line; null when this one is, too. */
  #hold(name: string, nowMs: number): number | null {
    let kind = this.#kinds.get(name);
    if (kind === undefined) {
      if (this.#kinds.size >= JOURNAL_LIMITS.kindsMax) this.#kinds.clear();
      kind = { sinceMs: nowMs, lines: 0, heldBack: 0 };
      this.#kinds.set(name, kind);
    }
    if (Math.abs(nowMs - kind.sinceMs) >= JOURNAL_LIMITS.spanMs) {
      kind.sinceMs = nowMs;
      kind.lines = 0;
    }
    if (kind.lines >= JOURNAL_LIMITS.linesPerSpan) {
      kind.heldBack += 1;
      return null;
    }
    kind.lines += 1;
    const { heldBack } = kind;
    kind.heldBack = 0;
    return heldBack;
  }

  #put(line: object): void {
    const whole = this.#lost === 0 ? line : { ...line, lost: this.#lost };
    if (this.#write(`${JSON.stringify(whole)}\n`)) this.#lost = 0;
    else this.#lost += 1;
  }
}
