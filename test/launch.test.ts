/** The launcher and the command's entry on machines that lack something. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'launch-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A module that makes Node say it is another version. */
const PRETEND_18 = `data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.4' } })",
)}`;

test.each([
  ['the launcher', ['scripts/launch.js', 'start']],
  ['the command', ['bin/modelward.js', '--help']],
])('%s refuses an older Node with one line that names both versions, exit 6', (_, args) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', PRETEND_18, ...args], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(status).toBe(6);
  expect(stdout).toBe('');
  expect(stderr).toBe('modelward: Node 20.19 or newer is needed; this is 18.20.4.\n');
});

test('the launcher imports nothing but Node itself', () => {
  const source = readFileSync(join(root, 'scripts/launch.js'), 'utf8');
  const imports = [...source.matchAll(/from '([^']+)'/g)].map((match) => match[1]);
  expect(imports.length).toBeGreaterThan(2);
  expect(imports.filter((name) => !name.startsWith('node:'))).toEqual([]);
});

test('packages that node_modules lacks, or holds at another version, are found; optional ones are not asked for', () => {
  const write = (file: string, value: object): void => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), JSON.stringify(value));
  };
  write('package-lock.json', {
    packages: {
      '': { name: 'x' },
      'node_modules/here': { version: '1.0.0' },
      'node_modules/old': { version: '2.0.0' },
      'node_modules/@scope/gone': { version: '1.0.0' },
      'node_modules/native': { version: '1.0.0', optional: true },
      'node_modules/peer': { version: '1.0.0', peer: true },
    },
  });
  write('node_modules/here/package.json', { version: '1.0.0' });
  write('node_modules/old/package.json', { version: '1.9.0' });
  // The launcher runs when it is the script itself, argv[1]; here it must only be imported.
  const script = `import(process.argv[2]).then(({ findMissing }) => console.log(JSON.stringify(findMissing(process.argv[1]))))`;
  const output = execFileSync(process.execPath, ['-e', script, folder, join(root, 'scripts/launch.js')], {
    encoding: 'utf8',
  });
  expect((JSON.parse(output) as string[]).sort()).toEqual(['@scope/gone', 'old']);
});

test('the lock file pins versions and digests, and no host', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string; integrity?: string; resolved?: string }>;
  };
  const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
  expect(packages.length).toBeGreaterThan(50);
  for (const [path, entry] of packages) {
    expect(entry.resolved, path).toBeUndefined();
    expect(entry.integrity, path).toMatch(/^sha512-/);
  }
});

test('no package runs a script when it is installed; the native runtime is optional, and its download is off twice', () => {
  const npmrc = readFileSync(join(root, '.npmrc'), 'utf8').split('\n');
  expect(npmrc).toContain('ignore-scripts=true');
  expect(npmrc).toContain('onnxruntime-node-install=skip');
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    allowScripts: Record<string, boolean>;
    dependencies: object;
    peerDependenciesMeta: Record<string, { optional: boolean }>;
  };
  expect(Object.values(manifest.allowScripts)).not.toContain(true);
  expect(manifest.allowScripts).toHaveProperty('onnxruntime-node', false);
  expect(manifest.dependencies).not.toHaveProperty('onnxruntime-node');
  expect(manifest.peerDependenciesMeta['onnxruntime-node'].optional).toBe(true);
});
