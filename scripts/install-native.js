/**
 * `npm run native`: puts the optional native runtime into this checkout. npm itself does not install an optional peer of
 * the project that it stands in, so it is installed beside, and what is missing here is moved over.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const wanted = `onnxruntime-node@${peerDependencies['onnxruntime-node']}`;

/** Beside node_modules, on the same disk: folders can be renamed over. */
const stage = mkdtempSync(join(root, 'node_modules/.native-'));
try {
  writeFileSync(join(stage, 'package.json'), '{"private":true}');
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', wanted];
  const { status } = spawnSync('npm', args, { cwd: stage, stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) process.exit(status ?? 70);
  move(join(stage, 'node_modules'), join(root, 'node_modules'));
} finally {
  rmSync(stage, { recursive: true, force: true });
}
process.stderr.write(`modelward: ${wanted} is in place; npm ci takes it away again.\n`);

/** Moves packages that `to` does not have; scopes are folders of packages. */
function move(from, to) {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    if (name.startsWith('.')) continue;
    if (name.startsWith('@')) move(join(from, name), join(to, name));
    else if (!existsSync(join(to, name))) renameSync(join(from, name), join(to, name));
  }
}
