/** The journal of a gateway of the command line: lines of JSON where the configuration asks for them, words for people else. */
import type { Clock } from '../../../../core/ports.ts';
import {
  createJournal,
  type Journal,
  type JournalConfig,
  type JournalEvent,
  type JournalFields,
} from '../../../../gateway/index.ts';
import type { Ui } from '../../../ui/ui.ts';
import { openLines } from './compose.ts';

export interface OpenedJournal {
  readonly journal: Journal;
  /** What people read beside it: nothing where the journal has standard error for itself. */
  readonly ui: Pick<Ui, 'note' | 'warn'>;
  /** Where lines go to a file, that is opened anew by its name; what fails is told, and the file before is kept. */
  readonly reopen: () => void;
  readonly close: () => Promise<void>;
}

interface Telling {
  readonly ui: Pick<Ui, 'note' | 'warn'>;
  readonly clock: Clock;
}

/** @throws SourceError WRITE_FAILED when the file cannot be written to */
export function openJournal(config: JournalConfig | undefined, { ui, clock }: Telling): OpenedJournal {
  const words = createJournal({ clock, write: (line) => say(ui, line) });
  if (config === undefined) return { journal: words, ui, reopen: ignore, close: () => end(words) };
  const { file, level } = config;
  const lines = openLines(file);
  const own = createJournal({ clock, level, write: lines.write });
  const close = async (): Promise<void> => {
    await end(own);
    await lines.close();
  };
  if (file === undefined) return { journal: own, ui: { note: ignore, warn: ignore }, reopen: ignore, close };
  const journal = tellBoth(own, words);
  const reopen = (): void => {
    try {
      lines.reopen();
    } catch (error) {
      journal.fault(error, { part: 'journal' });
    }
  };
  return { journal, ui, reopen, close };
}

const ignore = (): void => undefined;

function end(journal: Journal): Promise<void> {
  journal.end();
  return Promise.resolve();
}

/** Whoever sits before the terminal sees what went wrong, too; each request is in the file alone. */
function tellBoth(one: Journal, other: Journal): Journal {
  return {
    tell: (event, fields) => {
      one.tell(event, fields);
      if (event !== 'request') other.tell(event, fields);
    },
    fault: (error, fields) => {
      one.fault(error, fields);
      other.fault(error, fields);
    },
    refuse: (event, error, fields) => {
      one.refuse(event, error, fields);
      other.refuse(event, error, fields);
    },
    end: () => {
      one.end();
    },
  };
}

/** What the command itself tells at its beginning and end, and what is told as trouble, too. */
const SAID: ReadonlySet<JournalEvent> = new Set([
  ...(['started', 'draining', 'ended', 'admin-done', 'admin-refused'] as const),
  'upstream-away',
]);

function say({ note, warn }: Pick<Ui, 'note' | 'warn'>, line: string): true {
  const { level, event, ...fields } = JSON.parse(line) as { level: string; event: JournalEvent } & JournalFields;
  const isSaid = SAID.has(event) || fields.listener === 'data';
  if (!isSaid) (level === 'info' ? note : warn)(toWords(event, fields));
  return true;
}

function toWords(event: JournalEvent, { part, code, ...fields }: JournalFields): string {
  if (event === 'trouble' || event === 'fault') return `${typeof part === 'string' ? part : event}: ${String(code)}`;
  const { listener, host, port, isTls, members, model, version, count, tenant, nearest, upstream } = fields;
  switch (event) {
    case 'listening':
      return `${String(listener)} API at ${isTls === true ? 'https' : 'http'}://${toHost(host)}:${String(port)}`;
    case 'config-reloaded':
      return `configuration taken up: ${(members as readonly string[]).join(', ') || 'nothing has changed'}`;
    case 'model-reloaded':
      return `model ${String(model)} ${String(version)}: its file was loaded anew`;
    case 'upstream-ready':
      return `upstream ${String(upstream)} is ready${typeof model === 'string' ? ` for ${model}` : ''}`;
    case 'tenant-unseen':
      return `the budget of tenant ${String(tenant)} bounds nobody: no key, token or certificate is of it${toMeant(nearest)}`;
    case 'log-dropped':
      return `log: a day of ${String(count)} rows was dropped`;
    default:
      return `${event}: ${String(code)}${toList(members)}`;
  }
}

function toMeant(nearest: unknown): string {
  return typeof nearest === 'string' ? `; did you mean ${nearest}?` : '';
}

function toHost(host: unknown): string {
  return String(host).includes(':') ? `[${String(host)}]` : String(host);
}

function toList(members: unknown): string {
  return Array.isArray(members) ? `, ${members.join(', ')}` : '';
}
