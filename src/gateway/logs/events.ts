/** Everything that the journal tells, by name. */

export type JournalLevel = 'info' | 'warn' | 'error';

interface EventRow {
  readonly level: JournalLevel;
  /** Many of one kind are told as one, with their number. */
  readonly isBundled: boolean;
}

const info: EventRow = { level: 'info', isBundled: false };
const warn: EventRow = { level: 'warn', isBundled: true };
const error: EventRow = { level: 'error', isBundled: true };

export const JOURNAL_EVENTS = {
  /** The process begins to serve, is told to end, has ended. */
  started: info,
  draining: info,
  ended: info,
  /** A listener takes connections. */
  listening: info,
  /** A worker process came, or went away. */
  'worker-started': info,
  'worker-ended': { level: 'warn', isBundled: true },
  /** Something that is no caller's doing went wrong; "part" says where. */
  trouble: warn,
  /** An error that nothing in the program accounts for. */
  fault: error,
  'config-reloaded': info,
  /** A new configuration cannot be used: the one before stays. */
  'config-refused': warn,
  /** A budget is of a tenant of whom there is no key and no rule; "nearest" is one that is there. */
  'tenant-unseen': warn,
  /** A day of the log is older than is to be kept. */
  'log-dropped': info,
  'certificate-reloaded': info,
  'model-reloaded': info,
  /** A new file cannot be served: the model before stays. */
  'model-refused': warn,
  'upstream-ready': { level: 'info', isBundled: true },
  'upstream-away': warn,
  /** Who administers did something, or may not. */
  'admin-done': info,
  'admin-refused': { level: 'warn', isBundled: true },
  /** One answered request, where the configuration asks for them. */
  request: { level: 'info', isBundled: false },
} as const satisfies Record<string, EventRow>;

export type JournalEvent = keyof typeof JOURNAL_EVENTS;
