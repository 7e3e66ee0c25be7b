/** pkcs11js, an optional peer that is compiled where it is used, and the modules that it loads. Its calls are synchronous. */
import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type * as Pkcs11js from 'pkcs11js';
import { SealError } from '../../../core/errors.ts';
import type { Pkcs11Uri } from '../../../seal/ports.ts';
import { toCkr, toOutage } from './failures.ts';

/** Constants and classes of the package. */
export type Bridge = typeof Pkcs11js;

/** A module that was loaded and initialised. */
export interface Pkcs11Module {
  readonly bridge: Bridge;
  readonly api: Pkcs11js.PKCS11;
  /** The last one ends the module. */
  readonly release: () => void;
}

/** Where the modules of a system lie, by name (p11-kit's folders). */
const MODULE_FOLDERS = [
  '/usr/lib/x86_64-linux-gnu/pkcs11',
  '/usr/lib/aarch64-linux-gnu/pkcs11',
  '/usr/lib64/pkcs11',
  '/usr/lib/pkcs11',
  '/usr/local/lib/pkcs11',
  '/opt/homebrew/lib/pkcs11',
] as const;

/** One per path, counted: a module is initialised once per process, and so is its state of login. */
const loaded = new Map<string, { readonly api: Pkcs11js.PKCS11; users: number }>();

/**
 * @param name of the package, for tests
 * @throws SealError KEY_PACKAGE_MISSING when it is not installed, or was not compiled
 */
export async function loadBridge(name = 'pkcs11js'): Promise<Bridge> {
  try {
    return ((await import(name)) as { default: Bridge }).default;
  } catch (cause) {
    throw new SealError('KEY_PACKAGE_MISSING', { fields: { package: 'pkcs11js' }, cause });
  }
}

/**
 * Absolute path of the module that a URI names. A module is code that runs in this process.
 * @throws SealError KEY_URI_INVALID for none, or a path that is not absolute; KEY_SERVICE_MISSING for one that is not there
 */
export function toModulePath({ modulePath, moduleName }: Pick<Pkcs11Uri, 'modulePath' | 'moduleName'>): string {
  if (modulePath !== null) {
    if (!isAbsolute(modulePath)) throw toModuleError('The path of a PKCS#11 module must be absolute.');
    if (existsSync(modulePath)) return modulePath;
  } else {
    if (moduleName === null) throw toModuleError('The URI names no PKCS#11 module: add module-path or module-name.');
    if (!/^[\w.-]{1,128}$/.test(moduleName)) throw toModuleError('The name of a PKCS#11 module is a file name.');
    const found = MODULE_FOLDERS.map((folder) => join(folder, `${moduleName}.so`)).find((path) => existsSync(path));
    if (found !== undefined) return found;
  }
  const message = 'The PKCS#11 module is not on this machine.';
  throw new SealError('KEY_SERVICE_MISSING', { message, fields: { module: modulePath ?? moduleName } });
}

/** @throws SealError KEY_PROVIDER_UNAVAILABLE when it cannot be loaded or initialised */
export function useModule(bridge: Bridge, path: string): Pkcs11Module {
  const entry = loaded.get(path) ?? { api: initialize(bridge, path), users: 0 };
  loaded.set(path, entry);
  entry.users++;
  let isReleased = false;
  return {
    bridge,
    api: entry.api,
    release: () => {
      if (isReleased) return;
      isReleased = true;
      if (--entry.users > 0) return;
      loaded.delete(path);
      finalize(entry.api);
    },
  };
}

function initialize(bridge: Bridge, path: string): Pkcs11js.PKCS11 {
  const api = new bridge.PKCS11();
  try {
    api.load(path);
    api.C_Initialize({ flags: bridge.CKF_OS_LOCKING_OK });
    return api;
  } catch (error) {
    // Another part of the process uses the module already: it is used along with it.
    if (toCkr(error) === 'CKR_CRYPTOKI_ALREADY_INITIALIZED') return api;
    throw toOutage(error);
  }
}

function finalize(api: Pkcs11js.PKCS11): void {
  try {
    api.C_Finalize();
  } catch {
    // It is gone already, which is what was wanted.
  }
}

function toModuleError(message: string): SealError {
  return new SealError('KEY_URI_INVALID', { message, fields: { scheme: 'pkcs11', part: 'module-path' } });
}
