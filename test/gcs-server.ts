/** fake-gcs-server (test/oracles/gcs), another implementation of Google Cloud Storage's API: built once by .ci/run. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePort } from './free-port.ts';

const PROGRAM = join(import.meta.dirname, 'oracles/gcs/gcs-server');

export const hasGcs = existsSync(PROGRAM);
export const GCS_NEEDED = 'go build -o gcs-server github.com/fsouza/fake-gcs-server in test/oracles/gcs';

export interface GcsServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** With one bucket; objects are held in memory. */
export async function startGcs(bucket: string): Promise<GcsServer> {
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const words = ['-backend', 'memory', '-scheme', 'http', '-host', '127.0.0.1', '-port', String(port)];
  const told = ['-external-url', url, '-public-host', `127.0.0.1:${port}`, '-log-level', 'error'];
  const child = spawn(PROGRAM, [...words, ...told], { stdio: 'ignore' });
  while (!(await isUp(url))) {
    if (child.exitCode !== null) throw new Error('internal error: fake-gcs-server ended before it answered');
    await new Promise((done) => setTimeout(done, 50));
  }
  const body = JSON.stringify({ name: bucket });
  await fetch(`${url}/storage/v1/b?project=p-1`, { method: 'POST', body });
  return { url, stop: () => end(child) };
}

async function isUp(url: string): Promise<boolean> {
  return fetch(`${url}/storage/v1/b?project=p-1`).then(
    (response) => response.ok,
    () => false,
  );
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
