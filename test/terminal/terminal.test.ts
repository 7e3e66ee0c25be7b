/** The printer on a real terminal (a pseudo-terminal made by `script`) and on a real pipe. */
import { spawn, spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { describeWithProgram } from '../shared-data.ts';

const root = resolve(import.meta.dirname, '../..');
const ASK = `"${process.execPath}" --import tsx "${join(import.meta.dirname, 'ask.ts')}"`;

interface Session {
  readonly screen: string;
  readonly status: number | null;
}

/** Runs the asking program on a pseudo-terminal, and types `keys` once the question is there. */
async function typeAtPrompt(keys: string): Promise<Session> {
  const child = spawn('script', ['-qfec', ASK, '/dev/null'], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
  let screen = '';
  let isTyped = false;
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk: string) => {
    screen += chunk;
    if (isTyped || !screen.includes('Passphrase: ')) return;
    isTyped = true;
    child.stdin.write(keys);
  });
  const status = await new Promise<number | null>((done) => child.once('close', done));
  return { screen, status };
}

describeWithProgram('a real terminal', 'script', ['--version'], () => {
  test('a passphrase is read without being shown, and the terminal echoes again afterwards', async () => {
    const { screen, status } = await typeAtPrompt('correct horse\r');
    expect(screen).not.toContain('horse');
    expect(screen).toMatch(/Passphrase: \r?\n+.*length 13, echo on/s);
    expect(status).toBe(0);
  });

  test('Ctrl-C at the question ends with 130', async () => {
    const { screen, status } = await typeAtPrompt('secr\u0003');
    expect(status).toBe(130);
    expect(screen).toContain('CLI_INTERRUPTED');
    expect(screen).not.toContain('secr');
  });
});

test('without a terminal no passphrase is read from the pipe', () => {
  const child = spawnSync(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'ask.ts')], {
    cwd: root,
    input: 'secret\n',
    encoding: 'utf8',
  });
  expect(child.status).toBe(2);
  expect(child.stdout).toBe('');
  expect(child.stderr).toContain('CLI_NO_TERMINAL');
});

describeWithProgram('a real pipe', 'bash', ['--version'], () => {
  test('a reader that goes away ends the output without a stack trace', () => {
    const program = `
    import process from 'node:process';
    import { createProcessUi } from './src/cli/ui/process-ui.ts';
    const ui = createProcessUi({ process, clock: { nowMs: () => 0 }, isJson: false, isQuiet: false });
    ui.result({}, () => 'line\\n'.repeat(1_000_000));`;
    const command = `"${process.execPath}" --import tsx --input-type=module -e "$PROGRAM" | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const child = spawnSync('bash', ['-c', command], {
      cwd: root,
      env: { ...process.env, PROGRAM: program },
      encoding: 'utf8',
    });
    expect(child.stderr).toBe('');
    expect(child.stdout).toBe('line\n0\n');
  });
});
