/** Puts descriptors, the collector, the system's numbers and the files' marks in. */
import { closeSync, constants, openSync, statSync } from 'node:fs';
import { createJournalWriter } from '../../../../adapters/journal-writer/index.ts';
import { openProcessReader } from '../../../../adapters/process-sample/index.ts';
import { SourceError } from '../../../../core/errors.ts';
import type { Database } from '../../../../core/database.ts';
import { GATEWAY_LOG_AREA, type LogTables, type ModelConfig, type TelemetryConfig } from '../../../../gateway/index.ts';
import type { TelemetryLink } from '../../../../gateway/ports.ts';
import { pause } from '../../../compose.ts';
import type { DatabaseAddress } from '../../apikey/compose.ts';

export { openProcessReader };

const STANDARD_ERROR = 2;
/** For what a slow reader has not taken when the process ends. */
const END_TIMEOUT_MS = 1000;

export interface LineSink {
  /** False when there is no room for it. */
  readonly write: (line: string) => boolean;
  /** The file is opened anew by its name: who rotates it has given the old one another. @throws SourceError WRITE_FAILED */
  reopen(): void;
  close(): Promise<void>;
}

/**
 * Lines to standard error, or to the end of a file.
 * @throws SourceError WRITE_FAILED when the file cannot be written to
 */
export function openLines(file: string | undefined): LineSink {
  let fd = file === undefined ? STANDARD_ERROR : openEnd(file);
  const writer = createJournalWriter(fd);
  return {
    write: writer.write,
    reopen: () => {
      if (file === undefined) return;
      const before = fd;
      fd = openEnd(file);
      writer.moveTo(fd, () => {
        closeSync(before);
      });
    },
    close: async () => {
      await writer.end(END_TIMEOUT_MS);
      if (file !== undefined) closeSync(fd);
    },
  };
}

function openEnd(file: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  try {
    return openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
  } catch (cause) {
    throw new SourceError('WRITE_FAILED', { cause, fields: { path: file } });
  }
}

/** @throws GatewayError TELEMETRY_URL_MALFORMED; what reading the authority throws */
export async function openCollector(
  { url, authority }: TelemetryConfig,
  headers: Readonly<Record<string, string>>,
): Promise<TelemetryLink> {
  const { openTelemetryLink } = await import('../../../../adapters/telemetry/index.ts');
  return openTelemetryLink({ url, headers, ...(authority !== undefined && { caPath: authority }) });
}

/** Of a gateway that writes to it at the same time. @throws DatabaseError */
export async function openLogTables(address: DatabaseAddress): Promise<Database<LogTables>> {
  const { openDatabase } = await import('../../../../adapters/database/index.ts');
  const passfile = process.env.PGPASSFILE ?? null;
  return openDatabase<LogTables>({ address, area: GATEWAY_LOG_AREA, pause, passfile });
}

/** Another text once a file of the model was written or exchanged; what cannot be looked at is told when it is opened. */
export function toStamp({ file, envelope }: ModelConfig): string {
  return [file, envelope].map((path) => (path === undefined ? '' : toMark(path))).join(' ');
}

function toMark(path: string): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? 'none' : `${found.dev}.${found.ino}.${found.size}.${found.mtimeNs}`;
}
