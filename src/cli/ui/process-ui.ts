/** The printer and the secret terminal of the real process. */
import { readdirSync, writeSync } from 'node:fs';
import type { Clock } from '../../core/ports.ts';
import type { SecretTerminal } from './secret.ts';
import { createUi, type TextSink, type Ui } from './ui.ts';

export interface ProcessUiOptions {
  readonly process: NodeJS.Process;
  readonly clock: Clock;
  readonly isJson: boolean;
  readonly isQuiet: boolean;
}

/** The `Ui` of this process. A reader that goes away (`| head`) ends the output quietly, not with a stack trace. */
export function createProcessUi({ process, clock, isJson, isQuiet }: ProcessUiOptions): Ui {
  return createUi({
    stdout: createFdSink(1, process.stdout),
    stderr: createFdSink(2, process.stderr),
    env: process.env,
    platform: process.platform,
    clock,
    listFolder,
    words: process.argv.slice(2),
    isJson,
    isQuiet,
  });
}

/** The terminal for passphrases: keys from stdin, prompts on stderr. */
export function createSecretTerminal(process: NodeJS.Process): SecretTerminal {
  const { stdin, stderr } = process;
  return {
    isTty: stdin.isTTY && stderr.isTTY,
    setRawMode: (isRaw) => {
      stdin.setRawMode(isRaw);
    },
    onData(listener) {
      stdin.on('data', listener);
      stdin.resume();
      return () => {
        stdin.off('data', listener);
        stdin.pause();
      };
    },
    write: (text) => {
      stderr.write(text);
    },
  };
}

/** Writes at once: results reach a pipe whole even if the process exits right after, and bars show during sync work. */
function createFdSink(fd: number, stream: NodeJS.WriteStream): TextSink {
  return {
    isTty: stream.isTTY,
    columns: () => (stream.isTTY ? stream.columns : undefined),
    write: (text) => {
      writeAll(fd, Buffer.from(text, 'utf8'));
    },
  };
}

/** Text on stdout, whole; a reader that went away gets nothing more. */
export function writeStdout(text: string): void {
  writeAll(1, Buffer.from(text, 'utf8'));
}

function writeAll(fd: number, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') return;
      if (code !== 'EAGAIN') throw error;
      // A full non-blocking pipe: wait for its reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

function listFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
