/** A SoftHSM2 token of a test's own: its folder, its PIN, and what pkcs11-tool says about it. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { hasProgram } from './shared-data.ts';

const MODULES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
];
const BRIDGE = resolve(import.meta.dirname, '../node_modules/pkcs11js/build/Release/pkcs11.node');
const found = MODULES.find((path) => existsSync(path));

export const SOFTHSM_MODULE = found ?? '';
export const hasSoftHsm = found !== undefined && hasProgram('softhsm2-util', ['--version']) && existsSync(BRIDGE);
export const SOFTHSM_NEEDED = 'softhsm2, and pkcs11js compiled by npm run native';

export interface TestToken {
  readonly label: string;
  readonly pin: string;
  /** A file of mode 0600 with the PIN in it. */
  readonly pinPath: string;
  /** Folder of all that belongs to the token. */
  readonly folder: string;
  /** Output of pkcs11-tool, logged in, both streams; it does not throw. */
  readonly tool: (...args: readonly string[]) => string;
  readonly remove: () => void;
}

/** Makes a token and points this process, and its children, to it. */
export function makeTestToken(label: string): TestToken {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-softhsm-'));
  const pin = '31415926';
  const pinPath = join(folder, 'pin');
  const config = join(folder, 'softhsm2.conf');
  mkdirSync(join(folder, 'tokens'));
  writeFileSync(pinPath, `${pin}\n`, { mode: 0o600 });
  writeFileSync(
    config,
    `directories.tokendir = ${join(folder, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  process.env.SOFTHSM2_CONF = config;
  const init = ['--init-token', '--free', '--label', label, '--pin', pin, '--so-pin', '27182818'];
  execFileSync('softhsm2-util', init, { stdio: 'ignore' });
  return {
    label,
    pin,
    pinPath,
    folder,
    tool: (...args) => {
      const out = join(folder, 'tool.txt');
      const command = `pkcs11-tool --module "${SOFTHSM_MODULE}" --token-label "$0" --login --pin "$1" "\${@:3}" > "$2" 2> "$2.err" || true`;
      execFileSync('bash', ['-c', command, label, pin, out, ...args]);
      // Two files: written to one, a warning can stand in the middle of a line.
      return `${readFileSync(out, 'utf8')}${readFileSync(`${out}.err`, 'utf8')}`;
    },
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
