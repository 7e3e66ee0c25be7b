/** Asks for a passphrase on the real terminal and tells its length; run by terminal.test.ts under `script`. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { createProcessUi, createSecretTerminal } from '../../src/cli/ui/process-ui.ts';
import { askSecret } from '../../src/cli/ui/secret.ts';

const ui = createProcessUi({ process, clock: { nowMs: () => Date.now() }, isJson: false, isQuiet: false });
try {
  const secret = await askSecret({ terminal: createSecretTerminal(process), prompt: 'Passphrase', isNew: false });
  const settings = spawnSync('stty', ['-a'], { stdio: ['inherit', 'pipe', 'inherit'], encoding: 'utf8' }).stdout;
  const echo = / echo\b/.test(settings) ? 'on' : 'off';
  ui.result({}, () => `length ${secret.length}, echo ${echo}\n`);
} catch (error) {
  process.exitCode = ui.fail(error);
}
