/** The recipe deploy/compose, read. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';

const folder = resolve(import.meta.dirname, '../../deploy/compose');

export interface Service {
  readonly image?: string;
  readonly user?: string;
  readonly networks: readonly string[] | Readonly<Record<string, unknown>>;
  readonly network_mode?: string;
  readonly privileged?: boolean;
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly entrypoint?: unknown;
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
  readonly cap_drop?: readonly string[];
  readonly read_only?: boolean;
  readonly security_opt?: readonly string[];
  readonly stop_grace_period?: string;
}

export interface Compose {
  readonly folder: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly configs: Readonly<Record<string, { readonly file: string }>>;
}

export const gateways: readonly string[] = ['gateway-1', 'gateway-2'];

export function recipe(name: string): string {
  return readFileSync(join(folder, name), 'utf8');
}

export function readComposeFile(name: string): unknown {
  return parse(recipe(name), { merge: true });
}

export function readCompose(): Compose {
  return { ...(readComposeFile('compose.yaml') as Omit<Compose, 'folder'>), folder };
}

/** Optional packages that this product is tested with. */
export function readPeers(): Readonly<Record<string, string>> {
  const text = readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8');
  return (JSON.parse(text) as { peerDependencies: Record<string, string> }).peerDependencies;
}
