/** The composition root of the command line: the only file here that names adapters. */
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
import { ensureLocalKey, openLocalKey, assertKeyApart } from '../adapters/kms/index.ts';
import { createLedgerLock } from '../adapters/ledger-lock/index.ts';
import { findRuntime, openProfiler } from '../adapters/runtime/index.ts';
import { createChildRunner } from '../adapters/sealed-runner/index.ts';
import { systemClock, systemRandom } from '../adapters/system/index.ts';
import { httpTimestampAuthority } from '../adapters/tsa/index.ts';
import { openWorkerPool } from '../adapters/worker-pool/index.ts';
import type { Progress } from '../core/ports.ts';
import { parseKeyUri } from '../seal/index.ts';
import { nodeStorage } from '../source/node-storage.ts';
import type { Cleanups } from './ui/interrupt.ts';
import {
  type FleetItem,
  type FleetRunner,
  type OpenedKeys,
  type OpenKeysOptions,
  type Services,
  toHome,
  withKeyLog,
} from '../workflows/index.ts';

/** Version of this package. */
export const TOOL_VERSION = (createRequire(import.meta.url)('../../package.json') as { version: string }).version;

/** The built entry of the workers, beside this file. */
const FLEET_WORKER = fileURLToPath(new URL('./fleet-worker/compose.js', import.meta.url));
/** The built entry of the child, beside this file. */
const SEALED_CHILD = fileURLToPath(new URL('./sealed-child/compose.js', import.meta.url));

export interface ComposeOptions {
  /** Absolute path of the home folder. */
  readonly home: string;
  readonly progress: Progress;
  readonly cleanups: Cleanups;
}

/** `$MODELWARD_HOME`, else the user's state folder as the platform has it. */
export function toDefaultHome(env: Readonly<Record<string, string | undefined>>, platform: string): string {
  if (env.MODELWARD_HOME !== undefined && env.MODELWARD_HOME !== '') return env.MODELWARD_HOME;
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? homedir(), 'modelward');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'modelward');
  return join(env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'modelward');
}

export function composeServices({ home: root, progress, cleanups }: ComposeOptions): Services {
  const home = toHome(root);
  return {
    storage: nodeStorage,
    clock: systemClock,
    random: systemRandom,
    progress,
    home,
    toolVersion: TOOL_VERSION,
    isFolder: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true,
    ledgerLock: createLedgerLock(),
    openRuntime: () => findRuntime(),
    openProfiler,
    openKeys: (options) => openLocalKeys(join(home.keysFolder, 'model.kek.json'), options),
    openTsa: httpTimestampAuthority,
    openSealedRunner: () => createChildRunner({ childPath: SEALED_CHILD }),
    onInterrupt: (cleanup) => cleanups.add(cleanup),
    peakRssMib: () => process.resourceUsage().maxRSS / 1024,
  };
}

/** Workers that edit models of a fleet, `count` at a time. */
export function openFleetWorkers(count: number): { readonly run: FleetRunner; close(): Promise<void> } {
  const pool = openWorkerPool({ scriptPath: FLEET_WORKER, count });
  return { run: async (job) => (await pool.run(job)) as FleetItem, close: () => pool.close() };
}

/** Only local keys exist in this version; `parseKeyUri` refuses every other scheme. */
function openLocalKeys(defaultPath: string, options: OpenKeysOptions): Promise<OpenedKeys> {
  const path = options.uri === null ? defaultPath : parseKeyUri(options.uri).path;
  if (options.apartFrom !== null) assertKeyApart(path, options.apartFrom);
  const access = { path, random: systemRandom, clock: systemClock };
  const provider = options.create ? ensureLocalKey(access) : openLocalKey(access);
  const { keyRef, standing } = provider.describe();
  return Promise.resolve({
    provider: withKeyLog({ provider, keyRef, ledger: options.ledger, actor: options.actor, random: systemRandom }),
    scheme: 'local',
    keyRef,
    note: standing,
  });
}
