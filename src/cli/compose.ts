/**
 * The composition root of the command line: the only file here that names adapters. What not every command needs is
 * loaded when it is asked for.
 */
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
import type { BrokerLinkOptions } from '../adapters/broker-link/index.ts';
import type { HttpsServer, HttpsServerOptions } from '../adapters/https-server/index.ts';
import { systemClock, systemPause, systemRandom } from '../adapters/system/index.ts';
import { httpTimestampAuthority } from '../adapters/tsa/index.ts';
import { CliError } from '../core/errors.ts';
import type { ReportSource } from '../attest/ports.ts';
import type { BrokerLink } from '../broker/ports.ts';
import type { JobQueue } from '../core/job-queue.ts';
import type { Pause, Progress } from '../core/ports.ts';
import type { LedgerLock } from '../ledger/ports.ts';
import type { SigstoreVerifier } from '../model-signing/ports.ts';
import type { SealedRunner } from '../seal/ports.ts';
import { nodeStorage } from '../source/node-storage.ts';
import type { ObjectStore } from '../source/ports.ts';
import type { Cleanups } from './ui/interrupt.ts';
import type { FleetItem, FleetRunner } from '../workflows/graph/fleet.ts';
import { type Home, toHome } from '../workflows/home.ts';
import type { OpenedKeys, OpenKeysOptions, Services } from '../workflows/services.ts';

/** Version of this package. */
export const TOOL_VERSION = (createRequire(import.meta.url)('../../package.json') as { version: string }).version;

/** The built entry of the workers, beside this file. */
const FLEET_WORKER = fileURLToPath(new URL('./fleet-worker/compose.js', import.meta.url));
/** The built entry of the child, beside this file. */
const SEALED_CHILD = fileURLToPath(new URL('./sealed-child/compose.js', import.meta.url));

/** The built entry of the thread that asks object stores, beside this file. */
const OBJECT_WORKER = fileURLToPath(new URL('./object-worker/compose.js', import.meta.url));

/** Name of the queue, with the version of docs/spec/fleet-queue.md. */
const FLEET_QUEUE = 'modelward-fleet-1';
/** A worker may be ended by chance, two of them hardly; a model that ends three workers ends more. */
const FLEET_RETRIES = 2;

export interface ComposeOptions {
  /** Absolute path of the home folder. */
  readonly home: string;
  readonly progress: Progress;
  readonly cleanups: Cleanups;
  /** Asks for the passphrase or PIN of a key; where it is absent nobody can be asked. The caller wipes the answer. */
  readonly askPassphrase?: AskPassphrase;
}

type AskPassphrase = (request: { readonly isNew: boolean }) => Promise<Uint8Array>;

const askNobody: AskPassphrase = () => Promise.reject(new CliError('CLI_NO_TERMINAL'));

/** `$MODELWARD_HOME`, else the user's state folder as the platform has it. */
export function toDefaultHome(env: Readonly<Record<string, string | undefined>>, platform: string): string {
  if (env.MODELWARD_HOME !== undefined && env.MODELWARD_HOME !== '') return env.MODELWARD_HOME;
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? homedir(), 'modelward');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'modelward');
  return join(env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'modelward');
}

export function composeServices(options: ComposeOptions): Services {
  const { home: root, progress, cleanups, askPassphrase = askNobody } = options;
  const home = toHome(root);
  return {
    storage: nodeStorage,
    clock: systemClock,
    random: systemRandom,
    progress,
    home,
    toolVersion: TOOL_VERSION,
    isFolder: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true,
    ledgerLock: toLazyLock(async () => (await import('../adapters/ledger-lock/index.ts')).createLedgerLock()),
    openObjects: createObjectOpener(),
    openRuntime: async () => (await import('../adapters/runtime/index.ts')).findRuntime(),
    openSvgRenderer: async () => (await import('../adapters/svg/index.ts')).openSvgRenderer(),
    openProfiler: async () => (await import('../adapters/runtime/index.ts')).openProfiler(),
    openOptimizer: async () => (await import('../adapters/runtime/index.ts')).openOptimizer(),
    openKeys: (asked) => openKeys({ home, askPassphrase }, asked),
    openTsa: httpTimestampAuthority,
    openEndpoint: async (options) => (await import('../adapters/endpoint/index.ts')).openEndpoint(options),
    openSealedRunner: () => lazyChildRunner,
    onInterrupt: (cleanup) => cleanups.add(cleanup),
    peakRssMib: () => process.resourceUsage().maxRSS / 1024,
  };
}

/** One store, and so one thread, for the whole process, made on first use. */
function createObjectOpener(): () => Promise<ObjectStore> {
  let made: Promise<ObjectStore> | undefined;
  return () =>
    (made ??= import('../adapters/object-store/index.ts').then(({ openObjectStore }) =>
      openObjectStore({ threadPath: OBJECT_WORKER }),
    ));
}

/** One lock for the whole process, made on first use. */
function toLazyLock(make: () => Promise<LedgerLock>): LedgerLock {
  let made: Promise<LedgerLock> | undefined;
  return { acquire: async (options) => (await (made ??= make())).acquire(options) };
}

const lazyChildRunner: SealedRunner = {
  load: async (request) => {
    const { createChildRunner } = await import('../adapters/sealed-runner/index.ts');
    return createChildRunner({ childPath: SEALED_CHILD }).load(request);
  },
};

export const pause: Pause = systemPause;

/** Evidence about the machine that this runs on. */
export async function openReportSource(): Promise<ReportSource> {
  const { createTsmSource } = await import('../adapters/tsm/index.ts');
  return createTsmSource({ random: systemRandom });
}

/** A TLS 1.3 server. @throws BrokerError SERVER_TLS_FILE | SERVER_LISTEN_FAILED */
export async function openServer(options: HttpsServerOptions): Promise<HttpsServer> {
  const { openHttpsServer } = await import('../adapters/https-server/index.ts');
  return openHttpsServer(options);
}

/** The way to a key broker. @throws BrokerError BROKER_UNREACHABLE for an address that is none */
export async function openBrokerLink(options: BrokerLinkOptions): Promise<BrokerLink> {
  const link = await import('../adapters/broker-link/index.ts');
  return link.openBrokerLink(options);
}

/**
 * Keyless signatures, verified against a trusted root.
 * @throws ModelSigningError OMS_SIGSTORE_MISSING | OMS_TRUST_ROOT_MALFORMED
 */
export async function openSigstoreVerifier(trustedRoot: Uint8Array): Promise<SigstoreVerifier> {
  const sigstore = await import('../adapters/sigstore/index.ts');
  return sigstore.openSigstoreVerifier(trustedRoot);
}

/** Workers that edit models of a fleet, `count` at a time. */
export async function openFleetWorkers(count: number): Promise<{ readonly run: FleetRunner; close(): Promise<void> }> {
  const { openWorkerPool } = await import('../adapters/worker-pool/index.ts');
  const pool = openWorkerPool({ scriptPath: FLEET_WORKER, count });
  return { run: async (job) => (await pool.run(job)) as FleetItem, close: () => pool.close() };
}

export interface OpenQueueOptions {
  /** Address of the server; secret when it holds a password. */
  readonly url: string;
  /** False when `url` came from where others could see it. */
  readonly isPasswordAllowed: boolean;
  readonly schema: string;
  /** Seconds until another worker gets a job of one that is silent; null for a process that only submits. */
  readonly leaseSeconds: number | null;
  readonly connectionsMax: number;
}

/**
 * The queue of jobs for fleets.
 * @throws QueueError QUEUE_URL_MALFORMED | QUEUE_PASSWORD_EXPOSED | QUEUE_PACKAGE_MISSING and those of the connection
 */
export async function openFleetQueue(options: OpenQueueOptions): Promise<{ queue: JobQueue; server: string }> {
  const { url, isPasswordAllowed, schema, leaseSeconds, connectionsMax } = options;
  const { openJobQueue, parseQueueAddress, toServerName } = await import('../adapters/job-queue/index.ts');
  const address = parseQueueAddress(url, { isPasswordAllowed });
  // Half a lease: a silent worker's job is found out soon after its lease ended.
  const maintenanceSeconds = leaseSeconds === null ? null : Math.max(1, Math.min(30, Math.floor(leaseSeconds / 2)));
  const limits = { retryLimit: FLEET_RETRIES, maintenanceSeconds, connectionsMax };
  const queue = await openJobQueue({ address, schema, name: FLEET_QUEUE, ...limits });
  return { queue, server: toServerName(address) };
}

interface KeyHolder {
  readonly home: Home;
  readonly askPassphrase: AskPassphrase;
}

/** Opens the key that the URI names, or the home's own, behind the log of its uses. */
async function openKeys({ home, askPassphrase }: KeyHolder, options: OpenKeysOptions): Promise<OpenedKeys> {
  const [kms, { parseKeyUri }, { withKeyLog }] = await Promise.all([
    import('../adapters/kms/index.ts'),
    import('../seal/index.ts'),
    import('../workflows/logged-key.ts'),
  ]);
  const uri = parseKeyUri(options.uri ?? `local:${join(home.keysFolder, 'model.kek.json')}`);
  const { apartFrom } = options;
  const apart = apartFrom === null ? [] : kms.toSecretPaths(uri).map((path) => kms.assertKeyApart(path, apartFrom));
  const ports = {
    clock: systemClock,
    random: systemRandom,
    pause: systemPause,
    files: kms.openProviderFiles(homedir()),
    env: process.env,
    askPassphrase,
    openTpm: async (address: string | null) => (await import('../adapters/tpm/index.ts')).openTpm(address),
  };
  const { provider, keyRef, standing } = await kms.openKeyProvider({ uri, ports, create: options.create });
  return {
    provider: withKeyLog({ provider, keyRef, ledger: options.ledger, actor: options.actor, random: systemRandom }),
    scheme: uri.scheme,
    keyRef,
    note: toNote(standing, { scheme: uri.scheme, isSameVolume: apart.some(({ isSameVolume }) => isSameVolume) }),
  };
}

/** That a local key is on this machine says more than on which volume. */
function toNote(standing: string | null, at: { scheme: string; isSameVolume: boolean }): string | null {
  if (!at.isSameVolume || at.scheme === 'local') return standing;
  const volume = 'what opens it lies on the same volume as the sealed file';
  return standing === null ? volume : `${standing}; ${volume}`;
}
