import { chmodSync, mkdtempSync, openSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { findClosest, toEditDistance } from '../../core/closest.ts';
import { createCleanups, installInterrupt, type SignalProcess } from './interrupt.ts';
import { askSecret, readSecretFd, readSecretFile, type SecretTerminal } from './secret.ts';
import { createStyle } from '../../core/style.ts';
import { toTable } from './table.ts';
import { toColumns } from '../../core/columns.ts';

const numRuns = process.env.SLOW === '1' ? 5000 : 100;

describe('tables', () => {
  test('columns are aligned, wide characters count two, the flexible column is cut to fit', () => {
    const table = toTable({
      columns: [
        { title: 'tensor', isFlexible: true },
        { title: 'bytes', align: 'right' },
      ],
      rows: [
        ['重み', '12'],
        ['a/very/long/name/of/a/tensor/indeed', '1024'],
      ],
      style: createStyle(false),
      widthColumns: 24,
    });
    expect(table).toBe('tensor             bytes\n重み                  12\na/very/l…r/indeed   1024\n');
    for (const line of table.trimEnd().split('\n')) expect(toColumns(line)).toBeLessThanOrEqual(24);
  });

  test('of several flexible columns the widest is cut first; a narrow one stays as it is', () => {
    const columns = [
      { title: 'tensor', isFlexible: true },
      { title: 'why', isFlexible: true },
    ];
    const rows = [['layer.weight', 'the later model has no such tensor']];
    const fit = (widthColumns: number): string => toTable({ columns, rows, style: createStyle(false), widthColumns });
    expect(fit(40)).toBe('tensor        why\nlayer.weight  the later mod… such tensor\n');
    expect(fit(24)).toBe('tensor       why\nlayer…eight  the l…ensor\n');
    expect(fit(8)).toBe('tensor    why\nlaye…ght  the …sor\n');
  });

  test('a hostile cell stays in its row', () => {
    const table = toTable({ columns: [{ title: 'name' }], rows: [['x\n\u001b[31my']], style: createStyle(false) });
    expect(table).toBe('name\nx\\u{a}\\u{1b}[31my\n');
  });
});

describe('did you mean', () => {
  test('distances: insert, delete, replace and swap cost one', () => {
    expect(toEditDistance('seal', 'seal')).toBe(0);
    expect(toEditDistance('sael', 'seal')).toBe(1);
    expect(toEditDistance('sea', 'seal')).toBe(1);
    expect(toEditDistance('kitten', 'sitting')).toBe(3);
    expect(toEditDistance('ca', 'abc')).toBe(3);
  });

  test('distance is symmetric, zero only for equal words, and bounded by the longer word', () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = toEditDistance(a, b);
        expect(distance).toBe(toEditDistance(b, a));
        expect(distance === 0).toBe(a === b);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
      { numRuns },
    );
  });

  test('near words are offered, far ones are not', () => {
    const commands = ['protect', 'embed', 'detect', 'seal', 'open', 'verify', 'baseline'];
    expect(findClosest('protcet', commands)).toEqual(['protect']);
    expect(findClosest('base', commands)).toEqual(['baseline']);
    expect(findClosest('frobnicate', commands)).toEqual([]);
    expect(findClosest('', commands)).toEqual([]);
    expect(findClosest('x'.repeat(1e6), commands)).toEqual([]);
  });
});

describe('secrets', () => {
  function createKeyboard(
    chunks: readonly (string | number[])[],
    isTty = true,
  ): SecretTerminal & { shown: () => string } {
    let shown = '';
    let raw = false;
    let next = 0;
    return {
      isTty,
      shown: () => shown + (raw ? '[raw left on]' : ''),
      setRawMode: (isRaw) => (raw = isRaw),
      write: (text) => (shown += text),
      onData(listener) {
        // One call of onData reads one typed line; what a chunk holds after its line end is lost, as on a terminal.
        const timer = setInterval(() => {
          const chunk = chunks.at(next);
          next += 1;
          if (chunk !== undefined) listener(Buffer.from(typeof chunk === 'string' ? Buffer.from(chunk) : chunk));
        }, 1);
        return () => {
          clearInterval(timer);
        };
      },
    };
  }
  const ask = async (chunks: readonly (string | number[])[], isNew = false): Promise<string> =>
    Buffer.from(await askSecret({ terminal: createKeyboard(chunks), prompt: 'Passphrase', isNew })).toString();

  test('typed keys are not echoed; backspace, Ctrl-U and arrow keys edit', async () => {
    const terminal = createKeyboard(['pä', [0x7f], 'ass', [0x1b, 0x5b, 0x44], ' w\r']);
    const secret = await askSecret({ terminal, prompt: 'Passphrase', isNew: false });
    expect(Buffer.from(secret).toString()).toBe('pass w');
    expect(terminal.shown()).toBe('Passphrase: \n');
    expect(await ask(['wrong', [0x15], 'right\n'])).toBe('right');
  });

  test('a new secret is asked twice', async () => {
    expect(await ask(['one\r', 'one\r'], true)).toBe('one');
    await expect(ask(['one\r', 'two\r'], true)).rejects.toMatchObject({ code: 'CLI_SECRET_MISMATCH' });
  });

  test('Ctrl-C, nothing, too much, no terminal: each has its code, and the terminal is left as it was', async () => {
    await expect(ask(['abc', [3]])).rejects.toMatchObject({ code: 'CLI_INTERRUPTED', exit: 130 });
    await expect(ask(['\r'])).rejects.toMatchObject({ code: 'CLI_SECRET_EMPTY' });
    await expect(ask(['x'.repeat(1025), '\r'])).rejects.toMatchObject({ code: 'CLI_SECRET_TOO_LONG' });
    const none = createKeyboard([], false);
    await expect(askSecret({ terminal: none, prompt: 'P', isNew: false })).rejects.toMatchObject({
      code: 'CLI_NO_TERMINAL',
    });
    const terminal = createKeyboard([[3]]);
    await expect(askSecret({ terminal, prompt: 'P', isNew: false })).rejects.toThrow();
    expect(terminal.shown()).not.toContain('raw left on');
  });

  test('files and descriptors: one line end is taken off, others are kept', () => {
    const folder = mkdtempSync(join(tmpdir(), 'secret-'));
    const write = (name: string, text: string, mode = 0o600): string => {
      const path = join(folder, name);
      writeFileSync(path, text);
      chmodSync(path, mode);
      return path;
    };
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
    expect(text(readSecretFile(write('a', 'pass word\n')))).toBe('pass word');
    expect(text(readSecretFile(write('b', 'pass\r\n')))).toBe('pass');
    expect(text(readSecretFile(write('c', 'pass\n\n')))).toBe('pass\n');
    expect(text(readSecretFd(openSync(write('d', 'x'.repeat(1024)), 'r')))).toHaveLength(1024);
    expect(codeOf(() => readSecretFile(write('e', 'x'.repeat(1025))))).toBe('CLI_SECRET_TOO_LONG');
    expect(codeOf(() => readSecretFile(write('f', '\n')))).toBe('CLI_SECRET_EMPTY');
    expect(codeOf(() => readSecretFile(join(folder, 'absent')))).toBe('CLI_SECRET_UNREADABLE');
    if (process.platform !== 'win32') {
      expect(codeOf(() => readSecretFile(write('g', 'pass', 0o640)))).toBe('CLI_SECRET_FILE_EXPOSED');
    }
  });
});

describe('interruption', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  function createProcess(): SignalProcess & { send: (signal: string) => void; exits: number[] } {
    const listeners = new Map<string, (signal: NodeJS.Signals) => void>();
    const exits: number[] = [];
    return {
      exits,
      on: (signal, listener) => listeners.set(signal, listener),
      off: (signal) => listeners.delete(signal),
      exit: (code) => exits.push(code),
      send: (signal) => listeners.get(signal)?.(signal as NodeJS.Signals),
    };
  }

  test('Ctrl-C runs the cleanups that are left, newest first, and exits 130', () => {
    const fake = createProcess();
    const cleanups = createCleanups();
    const ran: string[] = [];
    cleanups.add(() => ran.push('first'));
    const remove = cleanups.add(() => ran.push('gone'));
    cleanups.add(() => {
      ran.push('bad');
      throw new Error('disk is gone');
    });
    remove();
    installInterrupt({ process: fake, cleanups, onInterrupt: () => ran.push('told') });
    fake.send('SIGINT');
    fake.send('SIGINT');
    expect(ran).toEqual(['told', 'bad', 'first']);
    expect(fake.exits).toEqual([130, 130]);
  });

  test('a command that ends by itself is told once; the second signal ends it', () => {
    const fake = createProcess();
    const cleanups = createCleanups();
    const ran: string[] = [];
    cleanups.add(() => ran.push('cleanup'));
    cleanups.stopBy(() => ran.push('stop'));
    installInterrupt({ process: fake, cleanups, onInterrupt: () => ran.push('told') });
    fake.send('SIGTERM');
    expect([ran, fake.exits]).toEqual([['stop'], []]);
    fake.send('SIGTERM');
    expect([ran, fake.exits]).toEqual([['stop', 'told', 'cleanup'], [130]]);
  });

  test('SIGHUP ends a command, unless it takes its configuration up anew by it: then as often as it comes', () => {
    const fake = createProcess();
    const cleanups = createCleanups();
    const ran: string[] = [];
    cleanups.stopBy(() => ran.push('stop'));
    installInterrupt({ process: fake, cleanups, onInterrupt: () => ran.push('told') });
    cleanups.reloadBy(() => ran.push('reload'));
    fake.send('SIGHUP');
    fake.send('SIGHUP');
    expect([ran.splice(0), fake.exits]).toEqual([['reload', 'reload'], []]);
    fake.send('SIGTERM');
    expect(ran).toEqual(['stop']);
    const other = createCleanups();
    other.stopBy(() => ran.push('other'));
    installInterrupt({ process: fake, cleanups: other, onInterrupt: () => undefined });
    fake.send('SIGHUP');
    expect(ran).toEqual(['stop', 'other']);
  });

  test('after it is taken off, signals are not heard', () => {
    const fake = createProcess();
    const stop = installInterrupt({ process: fake, cleanups: createCleanups(), onInterrupt: () => undefined });
    stop();
    fake.send('SIGTERM');
    expect(fake.exits).toEqual([]);
  });
});
