/** A throw-away PostgreSQL server on the loopback interface, from the programs of the system. */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeWhere } from './shared-data.ts';

export interface Postgres {
  readonly port: number;
  readonly password: string;
  /** Folder of the server's socket. */
  readonly folder: string;
  /** The server's certificate, which is its own authority, for 127.0.0.1; absent without `isTls`. */
  readonly certificatePath: string;
  /** Address of the server, with the password unless told otherwise. */
  url(options?: { readonly password?: string | null; readonly query?: string }): string;
  /** Runs a statement as the owner; fields apart by "|", rows by line ends. */
  query(sql: string): string;
  stop(): void;
  /** Starts it again after `stop`, on the same port. */
  start(): void;
  remove(): void;
}

const USER = 'fleet_owner';

/** Debian keeps the programs of the server out of the PATH. */
function findPrograms(): string | undefined {
  const base = '/usr/lib/postgresql';
  const majors = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  const folder = majors.map((major) => join(base, major, 'bin')).find((path) => existsSync(join(path, 'initdb')));
  // The server refuses to run as root, which is what containers run as.
  return process.getuid?.() === 0 && findOwner() === undefined ? undefined : folder;
}

/** User and group that the server runs as when this process is root. */
function findOwner(): { readonly uid: number; readonly gid: number } | undefined {
  const id = (flag: string): number => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout || NaN);
  const [uid, gid] = [id('-u'), id('-g')];
  return Number.isInteger(uid) && Number.isInteger(gid) ? { uid, gid } : undefined;
}

/** `describe` that runs when a PostgreSQL server is installed, and else is skipped under a name that says so. */
export function describeWithPostgres(name: string, body: () => void): void {
  describeWhere(findPrograms() !== undefined, name, 'postgresql', body);
}

export async function createPostgres(options: { readonly isTls?: boolean } = {}): Promise<Postgres> {
  const programs = findPrograms()!;
  const owner = process.getuid?.() === 0 ? findOwner() : undefined;
  const folder = mkdtempSync(join(tmpdir(), 'modelward-pg-'));
  const own = (path: string): void => {
    if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
  };
  own(folder);
  const run = (program: string, args: readonly string[]): void => {
    // The server lives on with these descriptors: a pipe would never end.
    execFileSync(join(programs, program), args, { cwd: folder, stdio: 'ignore', ...owner, env: { LC_ALL: 'C' } });
  };
  const password = randomBytes(12).toString('hex');
  writeFileSync(join(folder, 'password'), password, { mode: 0o600 });
  own(join(folder, 'password'));
  const data = join(folder, 'data');
  run('initdb', ['-D', data, '-U', USER, '--pwfile=password', '--auth=scram-sha-256', '--no-sync', '-E', 'UTF8']);
  const certificatePath = join(folder, 'server.crt');
  if (options.isTls === true) makeCertificate(folder, own);
  const port = await findFreePort();
  const settings = [
    ...[`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, 'fsync=off'],
    ...(options.isTls === true
      ? ['ssl=on', `ssl_cert_file=${certificatePath}`, `ssl_key_file=${folder}/server.key`]
      : []),
  ];
  const control = (...args: readonly string[]): void => {
    run('pg_ctl', ['-D', data, '-w', ...args]);
  };
  const start = (): void => {
    control('-l', join(folder, 'log'), '-o', settings.map((one) => `-c ${one}`).join(' '), 'start');
  };
  const stop = (): void => {
    control('-m', 'immediate', 'stop');
  };
  start();
  return {
    ...{ port, password, folder, certificatePath, start, stop },
    url({ password: secret = password, query = '' } = {}) {
      return `postgres://${USER}${secret === null ? '' : `:${secret}`}@127.0.0.1:${port}/postgres${query}`;
    },
    query(sql) {
      const args = [
        '-h',
        '127.0.0.1',
        '-p',
        String(port),
        '-U',
        USER,
        '-At',
        '-v',
        'ON_ERROR_STOP=1',
        '-c',
        sql,
        'postgres',
      ];
      const env = { PGPASSWORD: password, LC_ALL: 'C' };
      return execFileSync(join(programs, 'psql'), args, { encoding: 'utf8', cwd: folder, env }).trimEnd();
    },
    remove() {
      try {
        stop();
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

function makeCertificate(folder: string, own: (path: string) => void): void {
  const [key, crt] = [join(folder, 'server.key'), join(folder, 'server.crt')];
  const name = ['-subj', '/CN=test server', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', ...name];
  execFileSync('openssl', [...args, '-keyout', key, '-out', crt, '-days', '2'], { stdio: 'ignore' });
  chmodSync(key, 0o600);
  for (const path of [key, crt]) own(path);
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => {
        resolve(port);
      });
    });
  });
}
