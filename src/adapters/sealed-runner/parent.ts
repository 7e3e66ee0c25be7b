/** The parent's side: starts a hardened child per sealed model and never sees a plaintext byte. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { SealError } from '../../core/errors.ts';
import type { SealedLoad, SealedRunner, SealedSession } from '../../seal/ports.ts';
import { PIPE_FD } from './child.ts';
import { createFrameReceiver, sendFrame } from './frames.ts';
import {
  type Answer,
  answerSchema,
  decodeValues,
  encodeValues,
  findMessage,
  type Request,
  toError,
} from './messages.ts';

export interface ChildRunnerOptions {
  /** Absolute path of the built entry that calls `serveSealedModel`. */
  readonly childPath: string;
  /** How long a child may take to end after `release` before it is killed. */
  readonly endTimeoutMs?: number;
  /** Takes what is to be done when this process is told to end; returns how to take it back. */
  readonly onInterrupt?: (cleanup: () => void) => () => void;
}

type Ask = (request: Request, payload?: Uint8Array) => Promise<{ answer: Answer; payload: Uint8Array }>;

/**
 * Runs each sealed model in a process of its own: no core dumps, an empty working folder, an environment without
 * anything of ours, the key over a pipe. Plaintext exists in that process's memory only, and goes when it ends.
 */
export function createChildRunner(options: ChildRunnerOptions): SealedRunner {
  const { childPath, endTimeoutMs = 5000, onInterrupt } = options;
  return {
    load: async ({ sealedPath, dek }: SealedLoad): Promise<SealedSession> => {
      const folder = mkdtempSync(join(tmpdir(), 'modelward-run-'));
      const child = startChild(childPath, folder);
      const removeFolder = (): void => {
        rmSync(folder, { recursive: true, force: true });
      };
      const forget = onInterrupt?.(() => {
        child.kill('SIGKILL');
        removeFolder();
      });
      const ended = new Promise<void>((resolve) => {
        child.once('close', () => {
          forget?.();
          removeFolder();
          resolve();
        });
      });
      const ask = createAsk(child);
      try {
        const { answer } = await ask({ kind: 'load', id: 0, sealedPath }, dek);
        if (answer.kind !== 'loaded') throw new SealError('SEALED_CHILD_FAILED', { fields: { fault: answer.kind } });
        return toSession(answer, ask, () => endChild(child, ended, endTimeoutMs));
      } catch (error) {
        child.kill('SIGKILL');
        await ended;
        throw error;
      }
    },
  };
}

function toSession(loaded: Extract<Answer, { kind: 'loaded' }>, ask: Ask, end: () => Promise<void>): SealedSession {
  let nextId = 1;
  return {
    runtime: loaded.runtime,
    inputs: loaded.inputs,
    outputs: loaded.outputs,
    run: async (feeds) => {
      const { heads, payload } = encodeValues(feeds);
      const result = await ask({ kind: 'run', id: nextId++, feeds: heads }, payload);
      if (result.answer.kind !== 'ran') throw new SealError('SEALED_CHILD_FAILED');
      return decodeValues(result.answer.values, result.payload);
    },
    release: async () => {
      await ask({ kind: 'release', id: nextId++ }).catch(() => undefined);
      await end();
    },
  };
}

/** On POSIX a shell sets the core limit to 0 and becomes node: Node itself cannot. */
function startChild(childPath: string, folder: string): ChildProcess {
  // Nothing is inherited: no NODE_OPTIONS (inspector, snapshots), no credentials. The temp folder is the empty one.
  const env: Record<string, string> = { ORT_DISABLE_TELEMETRY: '1', TMPDIR: folder, HOME: folder };
  const options = { cwd: folder, env, stdio: ['ignore', 'ignore', 'ignore', 'pipe'] as const };
  if (process.platform === 'win32') {
    const systemRoot = process.env.SystemRoot;
    const windowsEnv = {
      ...env,
      TEMP: folder,
      TMP: folder,
      ...(systemRoot === undefined ? {} : { SystemRoot: systemRoot }),
    };
    return spawn(process.execPath, [childPath], {
      ...options,
      env: windowsEnv,
      stdio: [...options.stdio],
      windowsHide: true,
    });
  }
  const script = 'ulimit -c 0; exec "$0" "$@"';
  return spawn('/bin/sh', ['-c', script, process.execPath, childPath], { ...options, stdio: [...options.stdio] });
}

function createAsk(child: ChildProcess): Ask {
  const pipe = child.stdio[PIPE_FD] as Duplex;
  const waiting = new Map<number, { resolve: (value: Awaited<ReturnType<Ask>>) => void; reject: (e: Error) => void }>();
  let isGone = false;
  const fail = (): void => {
    isGone = true;
    for (const { reject } of waiting.values()) reject(new SealError('SEALED_CHILD_FAILED'));
    waiting.clear();
  };
  child.once('error', fail);
  child.once('close', fail);
  pipe.on('error', fail);
  const receive = createFrameReceiver({
    onFrame: (frame) => {
      const answer = findMessage(answerSchema, frame);
      const waiter = answer === undefined ? undefined : waiting.get(answer.id);
      if (answer === undefined || waiter === undefined) {
        child.kill('SIGKILL');
        return;
      }
      waiting.delete(answer.id);
      if (answer.kind === 'failed') waiter.reject(toError(answer));
      else waiter.resolve({ answer, payload: frame.payload });
    },
    onBroken: () => child.kill('SIGKILL'),
  });
  pipe.on('data', receive);
  return (request, payload) =>
    new Promise((resolve, reject) => {
      if (isGone) {
        reject(new SealError('SEALED_CHILD_FAILED'));
        return;
      }
      waiting.set(request.id, { resolve, reject });
      sendFrame(pipe, request, payload).catch(fail);
    });
}

async function endChild(child: ChildProcess, ended: Promise<void>, timeoutMs: number): Promise<void> {
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  await ended;
  clearTimeout(timer);
}
