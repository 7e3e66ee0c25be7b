/** Lines to inference servers, as a configuration describes them. */
import { fileURLToPath } from 'node:url';
import type { WorkerPool } from '../../../../adapters/worker-pool/index.ts';
import { zeroize } from '../../../../core/bytes.ts';
import { createBodyReader, type ReadJob, type UpstreamConfig } from '../../../../gateway/index.ts';
import type { HeaderList } from '../../../../gateway/ports.ts';
import type { UpstreamHost } from '../../../../workflows/gateway/serve/index.ts';
import { readSecretFile } from '../../../ui/secret.ts';

/** Tokens of servers behind: JWTs have some kilobytes. */
const TOKEN_BYTES_MAX = 8000;

/** The built entry of the threads. */
const DECODE_WORKER = fileURLToPath(new URL('../../../decode-worker/compose.js', import.meta.url));
/** One is enough for as much JSON as a gateway should be sent: the second keeps a large body from holding up the next. */
const READERS = 2;

export interface OpenedUpstreamHost extends UpstreamHost {
  /** Ends the threads; lines end by themselves. */
  close(): Promise<void>;
}

export function createUpstreamHost(): OpenedUpstreamHost {
  let pool: Promise<WorkerPool> | null = null;
  // Most gateways are never sent a large body: threads start with the first one.
  const openPool = async (): Promise<WorkerPool> => {
    const { openWorkerPool } = await import('../../../../adapters/worker-pool/index.ts');
    return openWorkerPool({ scriptPath: DECODE_WORKER, count: READERS });
  };
  const run = async (job: ReadJob): Promise<unknown> => (await (pool ??= openPool())).run(job);
  return {
    ...{ openLine, openWatch, reader: createBodyReader({ run }) },
    close: async () => {
      await (await pool)?.close();
    },
  };
}

const openLine: UpstreamHost['openLine'] = async (config, { answerBytesMax, onTrouble }) => {
  const { openGrpcUpstream, openHttpUpstream } = await import('../../../../adapters/upstream/index.ts');
  const { name, url, protocol, allowPlaintext, addresses } = config;
  const { concurrency: seatsMax, waiting: waitingMax, ...times } = config.limits;
  const open = protocol === 'oip-grpc' ? openGrpcUpstream : openHttpUpstream;
  return open({
    ...{ name, url, allowPlaintext, addresses, onTrouble },
    headers: readToken(config),
    limits: { ...times, seatsMax, waitingMax, answerBytesMax },
    ...toTls(config),
  });
};

const openWatch: UpstreamHost['openWatch'] = async (options) => {
  const { watchReadiness } = await import('../../../../adapters/upstream/index.ts');
  return watchReadiness(options);
};

/** @throws CliError CLI_SECRET_… */
function readToken({ tokenFile }: UpstreamConfig): HeaderList {
  if (tokenFile === undefined) return [];
  const bytes = readSecretFile(tokenFile, TOKEN_BYTES_MAX);
  const token = Buffer.from(bytes).toString('latin1').trim();
  zeroize(bytes);
  return [['authorization', `Bearer ${token}`]];
}

function toTls({ tls }: UpstreamConfig) {
  if (tls === undefined) return {};
  const { authority, cert, key, serverName, pins, minVersion } = tls;
  return {
    tls: {
      ...{ pins, minVersion },
      ...(authority !== undefined && { authoritiesPath: authority }),
      ...(cert !== undefined && { certificatePath: cert }),
      ...(key !== undefined && { privateKeyPath: key }),
      ...(serverName !== undefined && { servername: serverName }),
    },
  };
}
