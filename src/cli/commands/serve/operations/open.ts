/** What watching over a gateway needs, of the command line. */
import { zeroize } from '../../../../core/bytes.ts';
import { CliError } from '../../../../core/errors.ts';
import {
  createCallerBoard,
  createMeter,
  createReloadMeter,
  createSpanQueue,
  createTraceStarter,
  type GatewayConfig,
  type Journal,
  MetricsRegistry,
  type TelemetryConfig,
  tellRequests,
  type Tracing,
} from '../../../../gateway/index.ts';
import type { Meter, TelemetryLink } from '../../../../gateway/ports.ts';
import type { HostOperations } from '../../../../workflows/gateway/serve/index.ts';
import type { Session } from '../../../../workflows/session.ts';
import type { CliContext } from '../../../context.ts';
import { readSecretFile } from '../../../ui/secret.ts';
import type { Ui } from '../../../ui/ui.ts';
import { openCollector, openProcessReader, toStamp } from './compose.ts';
import { readHashKey } from './hash-key.ts';
import { openJournal } from './journal.ts';

/** What is known before anything of the gateway is open. */
export interface OpenedWatch {
  readonly journal: Journal;
  readonly ui: Pick<Ui, 'note' | 'warn'>;
  readonly meter: Meter;
  readonly onTrouble: (code: string, part: string) => void;
  readonly operations: Omit<
    HostOperations,
    'openLogDatabase' | 'openAdminFront' | 'logNumbers' | 'readConfig' | 'drain'
  >;
  /** Opens the file of the journal anew: it may have been given another name. */
  readonly reopen: () => void;
  /** Wipes the key of hashes, and writes what the journal still has. */
  close(): Promise<void>;
}

interface Opening {
  readonly context: CliContext;
  readonly session: { readonly recorder: Pick<Session['recorder'], 'record' | 'actor'> };
  readonly config: GatewayConfig;
}

const NOBODY: ReadonlySet<string> = new Set();
/** Headers of collectors: keys of some hundred characters. */
const HEADERS_BYTES_MAX = 8000;

/** @throws CliError CLI_SECRET_…; GatewayError TELEMETRY_… | GATEWAY_HASH_KEY_INVALID; SourceError WRITE_FAILED */
export async function openWatch({ context, session, config }: Opening): Promise<OpenedWatch> {
  const { services, ui } = context;
  const { clock, random } = services;
  const { hashKeyFile } = config.log;
  const hashKey = hashKeyFile === undefined ? null : readHashKey(hashKeyFile);
  const telemetry = await openTelemetry(config.telemetry);
  const told = openJournal(config.journal, { ui, clock });
  const { journal } = told;
  const registry = new MetricsRegistry(clock.nowMs());
  const process = openProcessReader();
  return {
    ...{ journal, ui: told.ui, reopen: told.reopen, meter: toMeter(config, registry, journal) },
    onTrouble: (code, part) => {
      journal.tell('trouble', { code, part });
    },
    operations: {
      ...{ journal, registry, hashKey, telemetry, toStamp, readProcess: process.read },
      readMetrics: () => Promise.resolve(registry.read()),
      tracing: toTracing(config.telemetry, random),
      desk: { recorder: session.recorder, random },
      onReload: createReloadMeter(registry),
    },
    close: async () => {
      process.stop();
      if (hashKey !== null) zeroize(hashKey);
      await told.close();
    },
  };
}

function toMeter({ metrics, journal: terms }: GatewayConfig, registry: MetricsRegistry, journal: Journal): Meter {
  const { topCallers: top } = metrics;
  const callers = top === 0 ? null : createCallerBoard(registry, { top, flagged: () => NOBODY });
  return tellRequests(journal, createMeter(registry, callers), terms?.lines ?? 'none');
}

function toTracing(
  config: TelemetryConfig | undefined,
  random: Parameters<typeof createTraceStarter>[0],
): Tracing | null {
  if (config === undefined) return null;
  const { sampleRatio, trustCallers: trustsCallers } = config;
  return { start: createTraceStarter(random, { sampleRatio, trustsCallers }), spans: createSpanQueue() };
}

/** @throws CliError CLI_SECRET_… | CLI_USAGE; GatewayError TELEMETRY_URL_MALFORMED */
async function openTelemetry(config: TelemetryConfig | undefined): Promise<TelemetryLink | null> {
  if (config === undefined) return null;
  return openCollector(config, config.headersFile === undefined ? {} : readHeaders(config.headersFile));
}

/** Lines `name: value`; nothing of them is told when they are no headers. */
function readHeaders(path: string): Readonly<Record<string, string>> {
  const bytes = readSecretFile(path, HEADERS_BYTES_MAX);
  const lines = Buffer.from(bytes)
    .toString('latin1')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
  zeroize(bytes);
  const pairs = lines.map((line) => /^([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x20-\x7e]*)$/.exec(line));
  if (pairs.includes(null)) {
    throw new CliError('CLI_USAGE', { message: 'The file of telemetry headers has lines that are not NAME: VALUE.' });
  }
  return Object.fromEntries(pairs.map((pair) => [pair![1].toLowerCase(), pair![2].trim()]));
}
