/** Puts threads, listener, tables and clocks of the gateway in. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock, systemPause, systemRandom, systemTicksUs } from '../../../adapters/system/index.ts';
import type { HttpFrontLimits } from '../../../adapters/http-front/index.ts';
import { HTTP_FRONT_LIMITS } from '../../../core/limits/http-front.ts';
import { createUuidV7Maker } from '../../../core/uuid.ts';
import { createSpoolLog, type GatewayConfig, type ModelConfig } from '../../../gateway/index.ts';
import type { LoadedSession } from '../../../model/runtime.ts';
import type { GatewayGreeter, GatewayHandler, RequestLog } from '../../../gateway/ports.ts';
import type { GatewayFront, HostOperations } from '../../../workflows/gateway/serve/index.ts';
import type { GatewayKey } from '../../../workflows/gateway/signing-key.ts';
import type { CheckpointNews } from '../../../workflows/gateway/anchors.ts';
import type { Home } from '../../../workflows/home.ts';
import type { DatabaseAddress } from '../apikey/compose.ts';

export { openKeyTable, toHomeKeyTable } from '../apikey/compose.ts';

/** The built entries of the threads. */
const INFERENCE_WORKER = fileURLToPath(new URL('../../inference-worker/compose.js', import.meta.url));
const LOG_WRITER = fileURLToPath(new URL('../../log-writer/compose.js', import.meta.url));
/** What is left of the log when a process ends goes into the database at the next start. */
const LOG_END_TIMEOUT_MS = 30_000;
const STREAM_CHARS = 26;

/** Time and chance of this process. */
export const gatewayClocks = {
  clock: systemClock,
  nowUs: systemTicksUs,
  pause: systemPause,
  defer: (work: () => void): void => {
    setImmediate(work);
  },
  after: (ms: number, work: () => void): (() => void) => {
    const timer = setTimeout(work, ms);
    return () => {
      clearTimeout(timer);
    };
  },
  makeRequestId: createUuidV7Maker(systemClock, systemRandom),
};

/** Loads a plain model in a thread of its own for each call. */
export function toPlainOpener({ file, dataRoot, threads }: ModelConfig): () => Promise<LoadedSession> {
  return async () => {
    const { openWorkerSession } = await import('../../../adapters/inference-worker/index.ts');
    return openWorkerSession({ scriptPath: INFERENCE_WORKER, path: file, dataRoot: dataRoot ?? null, threads });
  };
}

export interface OpenedLog {
  readonly log: RequestLog;
  readonly numbers: HostOperations['logNumbers'];
  /** Moves what is there into the database, and ends the thread. */
  end(): Promise<void>;
}

export interface OpenLogOptions {
  readonly home: Home;
  readonly key: GatewayKey;
  readonly database: DatabaseAddress;
  readonly onCheckpoint: (news: CheckpointNews) => void;
  readonly onTrouble: (code: string) => void;
}

/** @throws GatewayError GATEWAY_LOG_FAILED */
export async function openLog(options: OpenLogOptions): Promise<OpenedLog> {
  const { home, key, database, onCheckpoint, onTrouble } = options;
  const [{ startLogThread }, { openSpoolFolder }] = await Promise.all([
    import('../../../adapters/log-thread/index.ts'),
    import('../../../adapters/request-spool/index.ts'),
  ]);
  const spoolRoot = toSpoolRoot(home);
  mkdirSync(spoolRoot, { recursive: true, mode: 0o700 });
  const stream = makeStream();
  const thread = await startLogThread({
    ...{ scriptPath: LOG_WRITER, spoolRoot, stream, database, passfile: process.env.PGPASSFILE ?? null },
    ...{ signingKey: key.privateKey, onCheckpoint, onTrouble },
  });
  const folder = openSpoolFolder(join(spoolRoot, stream));
  const log = createSpoolLog({ stream, folder, movedTo: () => thread.movedTo });
  return {
    log,
    numbers: () => ({ rows: log.count, spoolBytes: log.waitingBytes, setAside: thread.setAside }),
    end: async () => {
      log.close();
      await thread.end(LOG_END_TIMEOUT_MS);
    },
  };
}

function toSpoolRoot({ root }: Home): string {
  return join(root, 'gateway', 'spool');
}

/** Has the next process tell the newest checkpoints of these streams again. */
export async function leaveStreams(home: Home, streams: readonly string[]): Promise<void> {
  const { leaveStream } = await import('../../../adapters/request-spool/index.ts');
  for (const stream of streams) leaveStream(toSpoolRoot(home), stream);
}

/** 130 random bits in Crockford's base 32, lower case. */
function makeStream(): string {
  const bytes = new Uint8Array(STREAM_CHARS);
  systemRandom.fill(bytes);
  return Array.from(bytes, (byte) => '0123456789abcdefghjkmnpqrstvwxyz'[byte & 31]).join('');
}

/** Where a listener is, how it is covered, and what it takes. */
export interface ListenTerms {
  readonly listen: GatewayConfig['listen'];
  /** In place of the front's own. */
  readonly limits: Partial<HttpFrontLimits>;
  /** Asked before much of a body is read. */
  readonly greet?: GatewayGreeter;
  readonly onTrouble: (error: unknown) => void;
}

/** @throws TlsError for the files; GatewayError SERVER_LISTEN_FAILED */
export async function openFront(
  { listen: { host, port, tls }, limits, greet, onTrouble }: ListenTerms,
  handler: GatewayHandler,
): Promise<GatewayFront> {
  const { openHttpFront } = await import('../../../adapters/http-front/index.ts');
  return openHttpFront({
    ...{ host, port, handler, onTrouble },
    ...(greet !== undefined && { greet }),
    limits: { ...HTTP_FRONT_LIMITS, ...limits },
    tls:
      tls === undefined
        ? null
        : {
            ...{ certificatePath: tls.cert, privateKeyPath: tls.key, clientCertificates: tls.clientCertificates },
            ...(tls.clientAuthorities !== undefined && { clientAuthoritiesPath: tls.clientAuthorities }),
            ...(tls.revocations !== undefined && { revocationsPath: tls.revocations }),
          },
  });
}
