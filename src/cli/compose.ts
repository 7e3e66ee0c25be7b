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
import type { CollateralLinkOptions } from '../adapters/collateral-link/index.ts';
import type { HttpServerOptions, HttpsServer, HttpsServerOptions } from '../adapters/https-server/index.ts';
import type { ProviderFiles } from '../adapters/kms/index.ts';
import { findExposures, readSystemText, systemClock, systemPause, systemRandom } from '../adapters/system/index.ts';
import { httpTimestampAuthority } from '../adapters/tsa/index.ts';
import type { WitnessLinkOptions } from '../adapters/witness-link/index.ts';
import { CliError } from '../core/errors.ts';
import type { CollateralLink, ReportSource } from '../attest/ports.ts';
import type { BrokerLink } from '../broker/ports.ts';
import type { JobQueue } from '../core/job-queue.ts';
import type { Pause, Progress } from '../core/ports.ts';
import type { TlsAuthority } from '../core/tls-authority.ts';
import type { LedgerLock, WitnessLink } from '../ledger/ports.ts';
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
  /** Told once, before secrets come into memory, by which ways they could reach a disk; not called when there is none. */
  readonly onExposed?: (ways: readonly string[]) => void;
}

type AskPassphrase = (request: { readonly isNew: boolean }) => Promise<Uint8Array>;

const askNobody: AskPassphrase = () => Promise.reject(new CliError('CLI_NO_TERMINAL'));

export function composeServices(options: ComposeOptions): Services {
  const { home: root, progress, cleanups, askPassphrase = askNobody } = options;
  const home = toHome(root);
  const onSecrets = toOnce(() => {
    const ways = findExposures(readSystemText).map(({ text }) => text);
    if (ways.length > 0) options.onExposed?.(ways);
  });
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
    openKeys: (asked) => {
      onSecrets();
      return openKeys({ home, askPassphrase }, asked);
    },
    openSigner: (uri) => openSigner(uri, askPassphrase),
    openTsa: httpTimestampAuthority,
    openEndpoint: async (options) => (await import('../adapters/endpoint/index.ts')).openEndpoint(options),
    openSealedRunner: () => toLazyChildRunner((cleanup) => cleanups.add(cleanup)),
    onInterrupt: (cleanup) => cleanups.add(cleanup),
    onSecrets,
    peakRssMib: () => process.resourceUsage().maxRSS / 1024,
  };
}

function toOnce(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
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

function toLazyChildRunner(onInterrupt: (cleanup: () => void) => () => void): SealedRunner {
  return {
    load: async (request) => {
      const { createChildRunner } = await import('../adapters/sealed-runner/index.ts');
      return createChildRunner({ childPath: SEALED_CHILD, onInterrupt }).load(request);
    },
  };
}

export const pause: Pause = systemPause;

/** Evidence about the machine that this runs on, or about the enclave that it runs in. */
export async function openReportSource(): Promise<ReportSource> {
  return (await import('../device/index.ts')).openReportSource();
}

/** Runs a sealed model in this process, for enclaves: a child would be an enclave of its own, with memory of its own. */
export async function openInProcessRunner(): Promise<SealedRunner> {
  return (await import('../device/index.ts')).openRunner('here');
}

/** A TLS 1.3 server. @throws BrokerError SERVER_TLS_FILE | SERVER_LISTEN_FAILED */
export async function openServer(options: HttpsServerOptions): Promise<HttpsServer> {
  const { openHttpsServer } = await import('../adapters/https-server/index.ts');
  return openHttpsServer(options);
}

/** Makes certificate authorities and what they vouch for. */
export async function openTlsAuthority(): Promise<TlsAuthority> {
  const { createTlsAuthority } = await import('../adapters/tls-authority/index.ts');
  return createTlsAuthority();
}

/** A server without TLS inside this machine. @throws BrokerError SERVER_NOT_LOOPBACK | SERVER_LISTEN_FAILED */
export async function openLoopbackServer(options: HttpServerOptions): Promise<HttpsServer> {
  return (await import('../adapters/https-server/index.ts')).openLoopbackServer(options);
}

/** The way to a witness of the ledger. @throws LedgerError WITNESS_ADDRESS_REFUSED */
export async function openWitnessLink(options: WitnessLinkOptions): Promise<WitnessLink> {
  return (await import('../adapters/witness-link/index.ts')).openWitnessLink(options);
}

/** The way to those who hand out collateral. @throws AttestError ATTEST_SERVICE_UNAVAILABLE for an address that is none */
export async function openCollateralLink(options: CollateralLinkOptions): Promise<CollateralLink> {
  const link = await import('../adapters/collateral-link/index.ts');
  return link.openCollateralLink(options);
}

/** The way to a key broker. @throws BrokerError BROKER_UNREACHABLE for an address that is none */
export async function openBrokerLink(options: BrokerLinkOptions): Promise<BrokerLink> {
  return (await import('../device/index.ts')).openBrokerLink(options);
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
  const places = apartFrom === null ? [] : [apartFrom].flat();
  const secrets = kms.toSecretPaths(uri);
  const apart = places.flatMap((place) => secrets.map((path) => kms.assertKeyApart(path, place)));
  const ports = toKeyPorts(kms.openProviderFiles(homedir()), askPassphrase);
  const { provider, keyRef, standing } = await kms.openKeyProvider({ uri, ports, create: options.create });
  return {
    provider: withKeyLog({ provider, keyRef, ledger: options.ledger, actor: options.actor, random: systemRandom }),
    scheme: uri.scheme,
    keyRef,
    note: toNote(standing, { scheme: uri.scheme, isSameVolume: apart.some(({ isSameVolume }) => isSameVolume) }),
  };
}

/** Keys of tokens that sign; other tools write their URIs with `type=private`, which here goes without saying. */
async function openSigner(text: string, askPassphrase: AskPassphrase): ReturnType<Services['openSigner']> {
  const [kms, { parseKeyUri }] = await Promise.all([import('../adapters/kms/index.ts'), import('../seal/index.ts')]);
  const uri = parseKeyUri(text.replace(/;type=private(?=[;?]|$)/, ''));
  return kms.openKeySigner({ uri, ports: toKeyPorts(kms.openProviderFiles(homedir()), askPassphrase) });
}

function toKeyPorts(files: ProviderFiles, askPassphrase: AskPassphrase) {
  return {
    clock: systemClock,
    random: systemRandom,
    pause: systemPause,
    files,
    env: process.env,
    askPassphrase,
    openTpm: async (address: string | null) => (await import('../adapters/tpm/index.ts')).openTpm(address),
  };
}

/** That a local key is on this machine says more than on which volume. */
function toNote(standing: string | null, at: { scheme: string; isSameVolume: boolean }): string | null {
  if (!at.isSameVolume || at.scheme === 'local') return standing;
  const volume = 'what opens it lies on the same volume as the sealed file';
  return standing === null ? volume : `${standing}; ${volume}`;
}
