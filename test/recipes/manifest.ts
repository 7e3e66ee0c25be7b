/** Gramine's manifest: rendered as `gramine-manifest` would, read as TOML, and which keys it may have. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The program that reads TOML: Python 3.11 or newer. */
export const TOML_PROGRAM = ['python3', ['-c', 'import tomllib']] as const;

export interface Manifest {
  readonly libos: { readonly entrypoint: string };
  readonly loader: { readonly argv: readonly string[]; readonly env: Readonly<Record<string, unknown>> };
  readonly sys: Readonly<Record<string, unknown>>;
  readonly fs: { readonly mounts: readonly { readonly path: string; readonly uri?: string; readonly type?: string }[] };
  readonly sgx: Readonly<Record<string, unknown>> & {
    readonly trusted_files: readonly string[];
    readonly allowed_files: readonly string[];
  };
}

/** Jinja with names alone: nothing else stands in the template. @throws TypeError for a name without a value */
export function renderManifest(path: string, values: Readonly<Record<string, string>>): Manifest {
  const text = readFileSync(path, 'utf8').replace(/\{\{ ([a-z_.()]+) \}\}/g, (_whole, name: string) => {
    if (!Object.hasOwn(values, name)) throw new TypeError(`no value for ${name}`);
    return values[name];
  });
  if (/\{[{%#]/.test(text)) throw new TypeError('more Jinja than names');
  const program = 'import json, sys, tomllib; json.dump(tomllib.load(sys.stdin.buffer), sys.stdout)';
  return JSON.parse(execFileSync('python3', ['-c', program], { input: text, encoding: 'utf8' })) as Manifest;
}

/** Keys that Gramine 1.9 knows, with what they take: its "Manifest syntax", and the schema of `gramine-manifest-check`. */
const KEYS: Readonly<Record<string, 'string' | 'boolean' | 'number' | 'strings'>> = {
  'libos.entrypoint': 'string',
  'loader.entrypoint.uri': 'string',
  'loader.log_level': 'string',
  'loader.argv': 'strings',
  'sys.disallow_subprocesses': 'boolean',
  'sys.stack.size': 'string',
  'sys.fds.limit': 'number',
  'sys.enable_extra_runtime_domain_names_conf': 'boolean',
  'sys.enable_sigterm_injection': 'boolean',
  'sgx.debug': 'boolean',
  'sgx.remote_attestation': 'string',
  'sgx.edmm_enable': 'boolean',
  'sgx.enclave_size': 'string',
  'sgx.max_threads': 'number',
  'sgx.use_exinfo': 'boolean',
  'sgx.trusted_files': 'strings',
  'sgx.allowed_files': 'strings',
};

/** Keys of the manifest that are not documented, or have a value of another kind. */
export function findUnknownKeys(manifest: object): string[] {
  return toLeaves(manifest, '').flatMap(([key, value]) => {
    if (/^loader\.env\.[A-Z_]+$/.test(key)) return typeof value === 'string' ? [] : [key];
    if (key === 'fs.mounts') return (value as object[]).flatMap(findUnknownMount);
    const isStrings = Array.isArray(value) && value.every((one) => typeof one === 'string');
    return KEYS[key] === (isStrings ? 'strings' : typeof value) ? [] : [key];
  });
}

function findUnknownMount(mount: object): string[] {
  const { type = 'chroot', path, uri, ...rest } = mount as Record<string, unknown>;
  const isWhole = typeof path === 'string' && (type === 'tmpfs' || (type === 'chroot' && typeof uri === 'string'));
  return isWhole && Object.keys(rest).length === 0 ? [] : [`fs.mounts ${JSON.stringify(mount)}`];
}

function toLeaves(value: object, prefix: string): [string, unknown][] {
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]): [string, unknown][] => {
    const key = `${prefix}${name}`;
    const isTable = typeof inner === 'object' && inner !== null && !Array.isArray(inner);
    return isTable ? toLeaves(inner, `${key}.`) : [[key, inner]];
  });
}
