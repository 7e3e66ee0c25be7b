/**
 * `npm run native`: puts the optional native parts into this checkout. The runtime: npm itself does not install an
 * optional peer of the project that it stands in, so it is installed beside, and what is missing here is moved over.
 * The bridge to PKCS#11 modules: npm ci puts its source there, and it is compiled against the headers of this Node.
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
buildPkcs11();

/** Without a compiler, or headers of this Node, all but `pkcs11:` keys works: that is said, and no failure. */
function buildPkcs11() {
  const folder = join(root, 'node_modules/pkcs11js');
  if (existsSync(join(folder, 'build/Release/pkcs11.node'))) return;
  const headers = resolve(dirname(process.execPath), '..');
  const nodeGyp = process.env.npm_config_node_gyp ?? '';
  const missing = [
    existsSync(folder) ? [] : 'node_modules/pkcs11js (npm ci)',
    existsSync(nodeGyp) ? [] : 'node-gyp (start with npm run native)',
    existsSync(join(headers, 'include/node/node_api.h')) ? [] : `the headers of this Node in ${headers}/include/node`,
  ].flat();
  const args = [nodeGyp, 'rebuild', `--nodedir=${headers}`, '--loglevel=error'];
  const isBuilt =
    missing.length === 0 && spawnSync(process.execPath, args, { cwd: folder, stdio: 'ignore' }).status === 0;
  const reason =
    missing.length === 0
      ? 'it did not compile (needs python3, make and a C++ compiler)'
      : `missing: ${missing.join(', ')}`;
  process.stderr.write(isBuilt ? 'modelward: pkcs11js is built.\n' : `modelward: no pkcs11: keys, ${reason}\n`);
}

/** Moves packages that `to` does not have; scopes are folders of packages. */
function move(from, to) {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    if (name.startsWith('.')) continue;
    if (name.startsWith('@')) move(join(from, name), join(to, name));
    else if (!existsSync(join(to, name))) renameSync(join(from, name), join(to, name));
  }
}
