/** Passphrases: typed without echo, or read from a file or descriptor; never from arguments or the environment. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { allocSecret, isEqualConstantTime, zeroize } from '../../core/bytes.ts';
import { CliError } from '../../core/errors.ts';

/** The terminal, as far as asking for a secret needs it. */
export interface SecretTerminal {
  readonly isTty: boolean;
  /** Switches echo and line editing of the terminal off and on. */
  setRawMode(isRaw: boolean): void;
  /** Starts reading; the returned function stops it, so that the process may end. */
  onData(listener: (chunk: Uint8Array) => void): () => void;
  write(text: string): void;
}

export interface AskOptions {
  readonly terminal: SecretTerminal;
  /** Such as "Passphrase for the backup". */
  readonly prompt: string;
  /** Asks twice and compares: for a new secret. */
  readonly isNew: boolean;
}

const SECRET_BYTES_MAX = 1024;
const KEY = { interrupt: 0x03, end: 0x04, backspace: 0x08, lineFeed: 0x0a, enter: 0x0d, clear: 0x15, escape: 0x1b };
const DELETE = 0x7f;

/**
 * Asks on the terminal.
 * @returns the bytes as typed (UTF-8), in memory of their own; the caller zeroizes them
 * @throws CliError CLI_NO_TERMINAL, CLI_SECRET_EMPTY, CLI_SECRET_TOO_LONG, CLI_SECRET_MISMATCH, CLI_INTERRUPTED
 */
export async function askSecret({ terminal, prompt, isNew }: AskOptions): Promise<Uint8Array> {
  if (!terminal.isTty) throw new CliError('CLI_NO_TERMINAL');
  const secret = await readTyped(terminal, `${prompt}: `);
  if (secret.length === 0) throw new CliError('CLI_SECRET_EMPTY');
  if (!isNew) return secret;
  let again: Uint8Array | undefined;
  let isSame = false;
  try {
    again = await readTyped(terminal, `${prompt} (again): `);
    isSame = isEqualConstantTime(secret, again);
    if (!isSame) throw new CliError('CLI_SECRET_MISMATCH');
    return secret;
  } finally {
    if (again !== undefined) zeroize(again);
    if (!isSame) zeroize(secret);
  }
}

/**
 * Reads a secret from a file that only its owner can read; one line end at the end is taken off.
 * @throws CliError CLI_SECRET_FILE_EXPOSED, CLI_SECRET_UNREADABLE, CLI_SECRET_EMPTY, CLI_SECRET_TOO_LONG
 */
export function readSecretFile(path: string, bytesMax = SECRET_BYTES_MAX): Uint8Array {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (cause) {
    throw new CliError('CLI_SECRET_UNREADABLE', { fields: { path }, cause });
  }
  try {
    // The descriptor, not the path: what was checked is what is read. Windows has no such modes.
    const { mode } = fstatSync(fd);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new CliError('CLI_SECRET_FILE_EXPOSED', { fields: { path, mode: (mode & 0o777).toString(8) } });
    }
    return readSecretFd(fd, bytesMax);
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads a secret from an open descriptor up to its end; one line end at the end is taken off.
 * @throws CliError CLI_SECRET_UNREADABLE, CLI_SECRET_EMPTY, CLI_SECRET_TOO_LONG
 */
export function readSecretFd(fd: number, bytesMax = SECRET_BYTES_MAX): Uint8Array {
  // Room for a line end, and one byte more to notice what is too long.
  const buffer = allocSecret(bytesMax + 3);
  try {
    const length = readUpTo(fd, buffer);
    return toSecret(buffer.subarray(0, withoutLineEnd(buffer, length)), bytesMax);
  } finally {
    zeroize(buffer);
  }
}

function readUpTo(fd: number, buffer: Uint8Array): number {
  let length = 0;
  try {
    while (length < buffer.length) {
      const count = readSync(fd, buffer, length, buffer.length - length, null);
      if (count === 0) break;
      length += count;
    }
  } catch (cause) {
    throw new CliError('CLI_SECRET_UNREADABLE', { fields: { descriptor: fd }, cause });
  }
  return length;
}

function withoutLineEnd(buffer: Uint8Array, length: number): number {
  if (length === 0 || buffer[length - 1] !== KEY.lineFeed) return length;
  return length > 1 && buffer[length - 2] === KEY.enter ? length - 2 : length - 1;
}

function toSecret(bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (bytes.length === 0) throw new CliError('CLI_SECRET_EMPTY');
  if (bytes.length > bytesMax) throw new CliError('CLI_SECRET_TOO_LONG');
  const secret = allocSecret(bytes.length);
  secret.set(bytes);
  return secret;
}

/** One line from a terminal in raw mode; nothing of it is echoed, not even its length. */
async function readTyped(terminal: SecretTerminal, prompt: string): Promise<Uint8Array> {
  const line = createLine();
  // Raw mode first: what is typed the moment the question appears must not be echoed either.
  terminal.setRawMode(true);
  terminal.write(prompt);
  let stop: (() => void) | undefined;
  try {
    const refusal = await new Promise<CliError | null>((resolve) => {
      stop = terminal.onData((chunk) => {
        try {
          if (line.feed(chunk)) resolve(null);
        } catch (error) {
          resolve(error as CliError);
        } finally {
          zeroize(chunk);
        }
      });
    });
    if (refusal !== null) throw refusal;
    return line.take();
  } finally {
    stop?.();
    terminal.setRawMode(false);
    terminal.write('\n');
    line.wipe();
  }
}

interface Line {
  /** True when the line ended. */
  feed(chunk: Uint8Array): boolean;
  take(): Uint8Array;
  wipe(): void;
}

function createLine(): Line {
  const buffer = allocSecret(SECRET_BYTES_MAX);
  let length = 0;
  let isEscape = false;
  const press = (byte: number): void => {
    if (byte === KEY.interrupt) throw new CliError('CLI_INTERRUPTED');
    if (byte === KEY.clear) length = 0;
    else if (byte === KEY.backspace || byte === DELETE) length = toBorderBefore(buffer, length);
    else if (byte >= 0x20) {
      if (length === buffer.length) throw new CliError('CLI_SECRET_TOO_LONG');
      buffer[length] = byte;
      length += 1;
    }
  };
  return {
    feed(chunk) {
      for (const byte of chunk) {
        if (byte === KEY.enter || byte === KEY.lineFeed || byte === KEY.end) return true;
        // Arrow keys and the like: ESC [ … letter. They are no part of a passphrase.
        if (isEscape) isEscape = !/[A-Za-z~]/.test(String.fromCharCode(byte));
        else if (byte === KEY.escape) isEscape = true;
        else press(byte);
      }
      return false;
    },
    take() {
      const secret = allocSecret(length);
      secret.set(buffer.subarray(0, length));
      return secret;
    },
    wipe: () => {
      zeroize(buffer);
    },
  };
}

/** Where the last UTF-8 character before `length` begins. */
function toBorderBefore(buffer: Uint8Array, length: number): number {
  let at = Math.max(0, length - 1);
  while (at > 0 && (buffer[at] & 0xc0) === 0x80) at -= 1;
  return at;
}
