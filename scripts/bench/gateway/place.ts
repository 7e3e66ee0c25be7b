/** A home with keys, certificates, bodies and models, and everything that is started in it. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Core, CORE, readPortLine, type Server, startServer } from './processes.ts';

export const root = resolve(import.meta.dirname, '../../..');
const servers = join(import.meta.dirname, 'servers');

/** A key may ask 10,000 times a second: callers are several. */
const CALLERS = 4;
export const MODEL = 'bench';

export interface Place {
  readonly folder: string;
  /** The program that its gateways are: what was built here, or of another commit. */
  readonly bin: string;
  /** Texts of API keys. */
  readonly keys: readonly string[];
  readonly at: (name: string) => string;
  /** Runs a command of ours. @throws Error when it fails */
  readonly modelward: (...words: readonly string[]) => string;
}

/** @param of the folder of what was built */
export function createPlace(folder: string, of = root): Place {
  const bin = join(of, 'bin/modelward.js');
  const at = (name: string): string => join(folder, name);
  const modelward = (...words: readonly string[]): string => {
    const env = { ...process.env, MODELWARD_HOME: at('home'), NO_COLOR: '1' };
    const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...words], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`modelward ${words[0]} ended with ${status}: ${stderr.slice(-500)}`);
    return stdout;
  };
  mkdirSync(folder, { recursive: true });
  modelward('tls', 'init', '--out', 'tls');
  const rates = ['--per-minute', '600000', '--burst', '100000', '--concurrency', '1000'];
  const keys = Array.from({ length: CALLERS }, (_, index) => {
    const file = `key-${index}.json`;
    modelward('apikey', 'create', '--name', `bench ${index}`, '--model', '*', ...rates, '-o', file);
    return (JSON.parse(readFileSync(at(file), 'utf8')) as { apiKey: string }).apiKey;
  });
  return { folder, bin, keys, at, modelward };
}

export const toBearers = (texts: readonly string[]): readonly string[] => texts.map((text) => `Bearer ${text}`);

/** `modelward serve` with this configuration. */
export function startGateway(
  place: Place,
  name: string,
  config: Readonly<Record<string, unknown>>,
  options: { readonly env?: Readonly<Record<string, string>>; readonly core?: Core } = {},
): Promise<Server> {
  const file = `${name}.json`;
  writeFileSync(place.at(file), JSON.stringify(config));
  const isTls = (config.listen as { tls?: unknown }).tls !== undefined;
  return startServer({
    ...{ name, core: options.core ?? CORE.tested, cwd: place.folder },
    command: [process.execPath, place.bin, 'serve', file, ...(isTls ? [] : ['--plaintext'])],
    env: { MODELWARD_HOME: place.at('home'), MODELWARD_MEMORY_WARNING: '0', ...options.env },
    read: (text) => {
      const port = /gateway at https?:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1];
      return port === undefined ? null : { port: Number(port) };
    },
  });
}

export const LISTEN = { host: '127.0.0.1', port: 0 } as const;
export const LISTEN_TLS = { ...LISTEN, tls: { cert: 'tls/server.pem', key: 'tls/server.key' } } as const;

/** One server behind, by HTTP. */
export const toUpstream = (port: number, signature?: unknown) => ({
  name: 'behind',
  url: `http://127.0.0.1:${port}`,
  protocol: 'oip',
  readiness: { path: '/ready' },
  models: [{ name: MODEL, ...(signature === undefined ? {} : { signature }) }],
});

/** A script of this folder that says its port. */
export function startScript(script: string, core: number, args: readonly string[]): Promise<Server> {
  const command = [process.execPath, join(servers, script), ...args];
  return startServer({ name: script, core, command, read: readPortLine });
}

const NGINX = (folder: string, http: string): string => `
worker_processes 1;
daemon off;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 32m;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  ${http}
}
`;

/** @param http what stands in its block `http` */
export async function startNginx(
  place: Place,
  name: string,
  core: number,
  port: number,
  http: string,
): Promise<Server> {
  const folder = place.at(`nginx-${name}`);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, NGINX(folder, http));
  const command = ['sh', '-c', `echo '{"port":${port}}'; exec nginx -p ${folder} -c ${file} -e stderr`];
  const server = await startServer({ name: `nginx ${name}`, core, command, read: readPortLine });
  await untilAnswered(`http://127.0.0.1:${port}/`);
  return server;
}

/** @throws Error when nothing answers within ten seconds */
export async function untilAnswered(url: string, headers: Record<string, string> = {}): Promise<void> {
  for (let tries = 0; ; tries++) {
    const isThere = await fetch(url, { headers }).then(
      () => true,
      () => false,
    );
    if (isThere) return;
    if (tries > 400) throw new Error(`nothing answers at ${url}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

const PORTKEY = '1.15.2';

/** Installed on first use into a folder that git does not see. */
export async function startPortkey(port: number): Promise<Server> {
  const cache = join(root, 'node_modules/.cache/modelward-bench/portkey');
  const entry = join(cache, 'node_modules/@portkey-ai/gateway/build/start-server.js');
  if (!existsSync(entry)) {
    mkdirSync(cache, { recursive: true });
    writeFileSync(join(cache, 'package.json'), '{"private":true}');
    const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--save-exact'];
    const installed = spawnSync('npm', ['install', ...flags, `@portkey-ai/gateway@${PORTKEY}`], { cwd: cache });
    if (installed.status !== 0) throw new Error('Portkey cannot be installed');
  }
  return startServer({
    ...{ name: 'portkey', core: CORE.tested, env: { NODE_ENV: 'production' } },
    command: [process.execPath, entry, `--port=${port}`, '--headless'],
    read: (text) => (text.includes('Ready for connections') ? { port } : null),
  });
}
