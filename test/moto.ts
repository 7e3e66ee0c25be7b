/** moto, which answers as AWS does and really encrypts: started on a port of its own, with checked signatures, ended by its id. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { findFreePort } from './free-port.ts';

const PYTHON = resolve(import.meta.dirname, 'oracles/.venv/bin/python');

export const hasMoto = (() => {
  try {
    execFileSync(PYTHON, ['-c', 'import moto.server, flask'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

export interface Moto {
  readonly url: string;
  /** Ends it at once, as an outage does. */
  stop(): Promise<void>;
}

/** `actions` is how many calls are answered without looking at credentials: enough to make a user with a key. */
export async function startMoto(actions = Number.MAX_SAFE_INTEGER): Promise<Moto> {
  const port = await findFreePort();
  const child = spawn(PYTHON, [join(import.meta.dirname, 'oracles/moto_server.py'), String(port)], {
    env: { ...process.env, INITIAL_NO_AUTH_ACTION_COUNT: String(actions) },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const url = `http://127.0.0.1:${port}`;
  while (!(await isUp(url))) {
    if (child.exitCode !== null) throw new Error('internal error: moto ended before it answered');
    await new Promise((done) => setTimeout(done, 100));
  }
  return { url, stop: () => end(child) };
}

async function isUp(url: string): Promise<boolean> {
  return fetch(`${url}/moto-api/data.json`).then(
    (response) => response.ok,
    () => false,
  );
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((done) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      done();
      return;
    }
    child.once('exit', () => {
      done();
    });
    child.kill('SIGKILL');
  });
}
