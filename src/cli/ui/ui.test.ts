import { Command, InvalidArgumentError } from 'commander';
import { describe, expect, test } from 'vitest';
import { ERRORS, type ErrorCode, ModelwardError, SourceError } from '../../core/errors.ts';
import { createUi, type TextSink, toJsonLine, type Ui, type UiOptions } from './ui.ts';
import { configureForUi, toUsageError } from './usage.ts';

interface Screen {
  ui: Ui;
  out: () => string;
  err: () => string;
  tick: (ms: number) => void;
}

function createScreen(options: Partial<UiOptions> & { isTty?: boolean; columns?: number } = {}): Screen {
  const { isTty = false, columns = 80, ...rest } = options;
  let nowMs = 0;
  const texts = { out: '', err: '' };
  const sink = (name: 'out' | 'err'): TextSink => ({
    isTty,
    columns: () => (isTty ? columns : undefined),
    write: (text) => {
      texts[name] += text;
    },
  });
  const ui = createUi({
    stdout: sink('out'),
    stderr: sink('err'),
    env: { LANG: 'en_US.UTF-8' },
    platform: 'linux',
    clock: { nowMs: () => nowMs },
    listFolder: () => [],
    words: [],
    ...rest,
  });
  return { ui, out: () => texts.out, err: () => texts.err, tick: (ms) => (nowMs += ms) };
}

describe('printing rules', () => {
  test('data goes to stdout, notes, warnings and progress to stderr', () => {
    const { ui, out, err, tick } = createScreen();
    ui.note('hello');
    ui.warn('careful');
    ui.progress.step('seal');
    tick(1500);
    ui.progress.done();
    ui.result({ a: 1 }, () => 'text\n');
    expect(out()).toBe('text\n');
    expect(err()).toBe('hello\nwarning: careful\nseal: 1.5 s\n');
  });

  test('--json prints exactly one line, the result, and a second result is refused', () => {
    const { ui, out } = createScreen({ isJson: true });
    ui.result({ a: 1 }, () => 'text\n');
    expect(out()).toBe('{"a":1}\n');
    expect(() => {
      ui.result({}, () => '');
    }).toThrow('internal error');
  });

  test('cautions go to stderr unless quiet, and into the warnings of the JSON result', () => {
    const loud = createScreen();
    loud.ui.caution('swap is on\u001b');
    loud.ui.result({ a: 1 }, () => 'text\n');
    expect(loud.out()).toBe('text\n');
    expect(loud.err()).toMatch(/^warning: swap is on[^\u001b]*\n$/);
    const json = createScreen({ isJson: true, isQuiet: true });
    json.ui.caution('swap is on');
    json.ui.result({ a: 1, warnings: ['no backup'] }, () => '');
    expect(JSON.parse(json.out())).toEqual({ a: 1, warnings: ['no backup', 'swap is on'] });
    expect(json.err()).toBe('');
    const bare = createScreen({ isJson: true, isQuiet: true });
    bare.ui.caution('swap is on');
    bare.ui.result({ a: 1 }, () => '');
    expect(JSON.parse(bare.out())).toEqual({ a: 1, warnings: ['swap is on'] });
  });

  test('--json prints one error object when the command failed, and none after a result', () => {
    const failed = createScreen({ isJson: true });
    expect(failed.ui.fail(new SourceError('SOURCE_LINK_REFUSED', { fields: { path: 'w.bin' } }))).toBe(3);
    expect(JSON.parse(failed.out())).toMatchObject({
      error: { code: 'SOURCE_LINK_REFUSED', fields: { path: 'w.bin' }, exit: 3 },
    });
    const late = createScreen({ isJson: true });
    late.ui.result({ a: 1 }, () => '');
    late.ui.fail(new SourceError('SOURCE_CHANGED'));
    expect(late.out()).toBe('{"a":1}\n');
  });

  test('--quiet silences progress and notes, not warnings and errors', () => {
    const { ui, err, tick } = createScreen({ isQuiet: true });
    ui.note('hello');
    ui.progress.step('seal');
    tick(1500);
    ui.progress.done();
    ui.warn('careful');
    ui.fail(new SourceError('SOURCE_CHANGED'));
    expect(err()).toMatch(/^warning: careful\nerror: The file changed/);
  });

  test('colours only on a terminal, and never with NO_COLOR', () => {
    const show = (screen: Screen): string => {
      screen.ui.warn('x');
      screen.ui.result({}, ({ style }) => style.red('y'));
      return screen.err() + screen.out();
    };
    expect(show(createScreen({ isTty: true }))).toContain('\u001b[33m');
    expect(show(createScreen({ isTty: false }))).not.toContain('\u001b');
    expect(show(createScreen({ isTty: true, env: { NO_COLOR: '1', FORCE_COLOR: '1' } }))).not.toContain('\u001b');
    expect(show(createScreen({ isTty: true, env: { TERM: 'dumb' } }))).not.toContain('\u001b');
    expect(show(createScreen({ isTty: false, env: { FORCE_COLOR: '1' } }))).toContain('\u001b');
  });

  test('JSON carries no character that acts on a terminal, and reads back the same', () => {
    const value = { name: 'a\u001b[2J\u009b31m\u202eb' };
    const line = toJsonLine(value);

    expect(line).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(JSON.parse(line)).toEqual(value);
  });
});

describe('progress', () => {
  test('a bar appears on a terminal after a second, is redrawn at most ten times a second, and leaves one line', () => {
    const { ui, err, tick } = createScreen({ isTty: true, env: { LANG: 'C.UTF-8', NO_COLOR: '1' } });
    ui.progress.step('seal', 2 ** 30, 'bytes');
    tick(500);
    ui.progress.advance(2 ** 20);
    expect(err()).not.toContain('░');
    tick(1500);
    for (let index = 0; index < 1000; index += 1) ui.progress.advance(2 ** 18);
    const bars = err()
      .split('\r')
      .filter((line) => line.includes(' % '));
    expect(bars).toHaveLength(1);
    tick(100);
    ui.progress.advance(2 ** 28);
    expect(err()).toContain(' 49 %  ████████████░░░░░░░░░░░░  507 MiB of 1.00 GiB  2.1 s left');
    ui.progress.done();
    expect(err().split('\r\u001b[2K').at(-1)).toMatch(/^✓ seal +507 MiB +2\.1 s\n$/);
  });

  test('no line is wider than the terminal', () => {
    const { ui, err, tick } = createScreen({ isTty: true, columns: 40, env: { LANG: 'C.UTF-8', NO_COLOR: '1' } });
    ui.progress.step('a step with quite a long name indeed', 100, 'items');
    tick(2000);
    ui.progress.advance(50);
    for (const line of err().split('\r\u001b[2K')) expect(line.length).toBeLessThan(40);
  });

  test('a note takes the bar away first', () => {
    const { ui, err } = createScreen({ isTty: true, env: { NO_COLOR: '1' } });
    ui.progress.step('seal');
    ui.note('hello');
    expect(err()).toBe('\r\u001b[2K  seal …\r\u001b[2Khello\n');
  });

  test('elsewhere: plain lines, one per step and one every ten seconds, no escape codes', () => {
    const { ui, err, tick } = createScreen();
    ui.progress.step('seal', 1000, 'items');
    for (let second = 0; second < 25; second += 1) {
      tick(1000);
      ui.progress.advance(40);
    }
    ui.progress.done();
    expect(err()).toBe('seal: 40 %, 400 of 1,000\nseal: 80 %, 800 of 1,000\nseal: 25.0 s\n');
  });

  test('elsewhere: steps below a second leave no line; on a terminal they are ticked off', () => {
    const plain = createScreen();
    const terminal = createScreen({ isTty: true, env: { NO_COLOR: '1' } });
    for (const { ui, tick } of [plain, terminal]) {
      ui.progress.step('seal', 10, 'items');
      tick(900);
      ui.progress.advance(10);
      ui.progress.done();
    }
    expect(plain.err()).toBe('');
    expect(terminal.err()).toMatch(/ok seal +900 ms\n$/);
  });

  test('wrong totals do not break the bar', () => {
    for (const total of [0, -5, Number.NaN, 10]) {
      const { ui, tick } = createScreen({ isTty: true });
      ui.progress.step('seal', total);
      tick(1500);
      expect(() => {
        ui.progress.advance(1e6);
      }).not.toThrow();
    }
  });
});

describe('failures', () => {
  test('every code of the table is told with its code, sentence, exit code and fix', () => {
    for (const [code, row] of Object.entries(ERRORS)) {
      const { ui, err } = createScreen();
      expect(ui.fail(new ModelwardError(code as ErrorCode))).toBe(row.exit);
      expect(err()).toContain(`error: ${row.message}\n`);
      expect(err()).toContain(code);
      if (row.fix !== undefined) expect(err()).toContain(row.fix);
    }
  });

  test('a cause is not printed: it may quote a secret', () => {
    const canary = 'CANARY-5d1f';
    const cause = new Error(`Unexpected token in "${canary}"`);
    const { ui, err, out } = createScreen({ isJson: true });
    ui.fail(new SourceError('SOURCE_UNREADABLE', { cause }));
    expect(err() + out()).not.toContain(canary);
  });

  test('a missing file is told with the file that was probably meant', () => {
    const listFolder = (folder: string): string[] => (folder === 'models' ? ['resnet.onnx', 'other.txt'] : []);
    const { ui, err } = createScreen({ listFolder });
    expect(ui.fail(new SourceError('SOURCE_NOT_FOUND', { fields: { path: 'models/resent.onnx' } }))).toBe(6);
    expect(err()).toContain('did you mean  models/resnet.onnx\n');
    const named = createScreen({ listFolder, words: ['detect', '--original=models/resent.onnx', 'other.txt'] });
    named.ui.fail(new SourceError('SOURCE_NOT_FOUND', { fields: { file: 'resent.onnx' } }));
    expect(named.err()).toContain('did you mean  models/resnet.onnx\n');
  });

  test('errors of the operating system exit 6 with their own name', () => {
    const { ui, err } = createScreen();
    const error = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC', syscall: 'write', path: '/x' });
    expect(ui.fail(error)).toBe(6);
    expect(err()).toMatch(/^error: The disk is full\.\n {2}code {2}ENOSPC\n {2}path {2}\/x\n/);
  });

  test('anything else is a defect of ours: exit 70, the stack only on demand', () => {
    const plain = createScreen();
    expect(plain.ui.fail(new TypeError('x is not a function'))).toBe(70);
    expect(plain.err()).toContain('TypeError: x is not a function');
    expect(plain.err()).not.toContain('    at ');
    const debug = createScreen({ env: { MODELWARD_DEBUG: '1' } });
    debug.ui.fail(new TypeError('x'));
    expect(debug.err()).toContain('    at ');
  });

  test('names from files cannot move the cursor or forge lines', () => {
    const { ui, err } = createScreen({ isTty: true, env: { NO_COLOR: '1' } });
    ui.fail(new SourceError('SOURCE_CHANGED', { fields: { path: 'a\u001b[2K\rb\nerror: forged' } }));
    expect(err()).not.toContain('\u001b[2K');
    expect(
      err()
        .split('\n')
        .filter((line) => line.startsWith('error:')),
    ).toHaveLength(1);
  });
});

describe('wrong usage', () => {
  function createProgram(): Command {
    const program = new Command('modelward').option('--quiet');
    program
      .command('protect <model>')
      .option('--out <dir>')
      .action(() => undefined);
    const keys = program.command('keys');
    keys.command('rotate').action(() => undefined);
    return configureForUi(program, () => undefined);
  }
  function fail(...argv: string[]): { exit: number; err: string } {
    const { ui, err } = createScreen();
    const program = createProgram();
    try {
      program.parse(argv, { from: 'user' });
    } catch (error) {
      const usage = toUsageError(error, program, argv);
      return { exit: usage === 'shown' ? 0 : ui.fail(usage ?? error), err: err() };
    }
    return { exit: -1, err: '' };
  }

  test('an unknown command or option is answered with what was meant, exit 2', () => {
    expect(fail('protcet', 'm.onnx')).toMatchObject({ exit: 2 });
    expect(fail('protcet', 'm.onnx').err).toContain('did you mean  protect');
    expect(fail('keys', 'rotat').err).toContain('did you mean  rotate');
    expect(fail('protect', '--ot', 'x').err).toContain('did you mean  --out');
    expect(fail('protect', '--quite', 'x').err).toContain('did you mean  --quiet');
    expect(fail('protect').err).toContain("Missing required argument 'model'.");
  });

  test('a refused value is repeated when it is short alone', () => {
    const program = new Command('modelward');
    const refuse = (): never => {
      throw new InvalidArgumentError('Not a number.');
    };
    program.command('m').argument('<word>', 'a word', refuse).option('--tau <number>', 'strength', refuse);
    configureForUi(program, () => undefined);
    const tell = (...argv: string[]): string => {
      try {
        program.parse(argv, { from: 'user' });
      } catch (error) {
        return (toUsageError(error, program, argv) as Error).message;
      }
      return '';
    };
    expect(tell('m', 'x', '--tau', 'abc')).toBe("Option '--tau <number>' argument 'abc' is invalid. Not a number.");
    for (const secret of ['CANARYwords', "it's CANARY' is invalid. Not", "a' argument 'CANARYwords", 'CAN\nARYwords']) {
      expect(tell('m', 'x', '--tau', secret)).toBe(
        "Option '--tau <number>' argument (not shown) is invalid. Not a number.",
      );
      expect(tell('m', secret)).toBe(
        "Command-argument value (not shown) is invalid for argument 'word'. Not a number.",
      );
    }
  });

  test('the value of an unknown option is not repeated', () => {
    const { exit, err } = fail('protect', '--pasphrase=CANARY');
    expect(exit).toBe(2);
    expect(err).toContain('--pasphrase');
    expect(err).not.toContain('CANARY');
  });
});
