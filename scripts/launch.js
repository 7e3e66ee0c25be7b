/**
 * The launcher behind `npm start`, `npm test` and `npm run test:long`. It needs nothing but Node: it checks the version,
 * installs what the lock file names and node_modules lacks, builds when sources are newer, and runs.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const NODE_MIN = [20, 19];

function say(text) {
  process.stderr.write(`modelward: ${text}\n`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return;
  say(`Node ${NODE_MIN.join('.')} or newer is needed; this is ${process.versions.node}.`);
  process.exit(6);
}

/** Names of packages that the lock file asks for on this platform and node_modules does not hold at that version. */
export function findMissing(folder) {
  const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path !== '' && !entry.optional && !entry.peer && !entry.devOptional)
    .filter(([path, entry]) => {
      try {
        return JSON.parse(readFileSync(join(folder, path, 'package.json'), 'utf8')).version !== entry.version;
      } catch {
        return true;
      }
    })
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
}

function run(command, args, env = {}) {
  const isWindows = process.platform === 'win32';
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: isWindows && command === 'npm',
    env: { ...process.env, ORT_DISABLE_TELEMETRY: '1', ...env },
  });
  if (result.signal !== null) process.exit(130);
  return result.status ?? 70;
}

function runOrExit(command, args, env) {
  const status = run(command, args, env);
  if (status !== 0) process.exit(status);
}

function install() {
  const missing = findMissing(root);
  if (missing.length === 0) return;
  const names = missing.slice(0, 4).join(', ') + (missing.length > 4 ? ', …' : '');
  say(`installing ${missing.length} missing packages from the lock file (${names})`);
  runOrExit('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

function findNewestMs(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name.endsWith('.test.ts')) continue;
    newest = Math.max(newest, entry.isDirectory() ? findNewestMs(path) : statSync(path).mtimeMs);
  }
  return newest;
}

function build() {
  const stamp = join(root, 'dist', '.tsbuildinfo');
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= findNewestMs(join(root, 'src'))) return;
  say('building');
  runOrExit(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']);
}

function start(args) {
  runOrExit(process.execPath, [join(root, 'bin/modelward.js'), 'tour', ...args], {
    MODELWARD_HOME: process.env.MODELWARD_HOME ?? join(root, '.modelward', 'home'),
  });
}

function test(args, isLong) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  runOrExit(process.execPath, [vitest, 'run', ...args], isLong ? { MODELWARD_LONG: '1' } : {});
}

function main([task, ...args]) {
  checkNode();
  install();
  build();
  if (task === 'start') start(args);
  else if (task === 'test') test(args, false);
  else if (task === 'test:long') test(args, true);
  else {
    say(`unknown task "${task ?? ''}"; known: start, test, test:long`);
    process.exit(2);
  }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2));
}
