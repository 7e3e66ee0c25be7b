/** The recipes for enclaves: every path, command and option in them exists, in this product or in what they are for. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readBrokerPolicy } from '../src/broker/index.ts';
import { utf8 } from '../src/core/bytes.ts';
import { readGatewayConfig } from '../src/gateway/index.ts';
import { findUnknownKeys, renderManifest, TOML_PROGRAM } from './recipes/manifest.ts';
import { describeWhere, describeWithProgram, hasProgram } from './shared-data.ts';

const deploy = resolve(import.meta.dirname, '../deploy');
const read = (...parts: readonly string[]) => readFileSync(join(deploy, ...parts), 'utf8');

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'modelward-recipes-'));
});
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

describe('scripts', () => {
  const scripts = [
    'gramine/build.sh',
    'confidential-vm/build-image.sh',
    'confidential-vm/start',
    'confidential-vm/publish',
  ];
  test.each(scripts)('%s is executable, parses, and says its usage or what it misses', (name) => {
    const path = join(deploy, name);
    expect(statSync(path).mode & 0o111).toBe(0o111);
    expect(spawnSync('sh', ['-n', path]).status).toBe(0);
    const { status, stderr } = spawnSync(path, [], { encoding: 'utf8' });
    expect([status === 0, stderr]).toEqual([false, expect.stringMatching(/Usage: |service\.conf/)]);
  });

  test('entry and publisher of a confidential VM use variables that its configuration sets, and no other', () => {
    const text = read('confidential-vm/start') + read('confidential-vm/publish');
    const used = [...text.matchAll(/\$([A-Z]+)\b/g)].map(([, name]) => name);
    const set = [...read('confidential-vm/service.conf').matchAll(/^([A-Z]+)=/gm)].map(([, name]) => name);
    expect(set.toSorted()).toEqual([...new Set(used)].toSorted());
  });

  test('files that a script installs are beside it', () => {
    for (const folder of ['gramine', 'confidential-vm']) {
      const names = readdirSync(join(deploy, folder)).filter((name) => name.endsWith('.sh'));
      const named = names.flatMap((name) => [...read(folder, name).matchAll(/\$recipe\/([\w.-]+)/g)]);
      expect(named.length).toBeGreaterThan(1);
      for (const [, name] of named) expect(existsSync(join(deploy, folder, name))).toBe(true);
    }
  });

  // Manual pages of gramine-manifest, gramine-sgx-sign and gramine-sgx-sigstruct-view, 1.9.
  test('the tools of Gramine are called with options that they have', () => {
    const text = read('gramine/build.sh');
    const options = [...text.matchAll(/ (--[\w-]+)/g)].map(([, name]) => name);
    expect(options).toEqual(['--manifest', '--output', '--key', '--output-format']);
    const defined = [...text.matchAll(/-D(\w+)=/g)].map(([, name]) => name);
    const used = [...read('gramine/modelward.manifest.template').matchAll(/\{\{ ([a-z_]+) \}\}/g)].map(
      ([, name]) => name,
    );
    expect(defined.toSorted()).toEqual([...new Set(used)].toSorted());
  });
});

describe('the build of an enclave', () => {
  /** Stand-ins for Gramine's programs: they look at what they are given, and write what the real ones write. */
  const STAND_INS = {
    'gramine-manifest':
      'for last; do :; done\ncase "$*" in *-Dconfig=*/config*) ;; *) exit 9 ;; esac\ncp "$template" "$last"',
    'gramine-sgx-sign': '[ -f "$2" ] && [ "$5" = --key ] && touch "$4" "${2%.manifest}.sig"',
    'gramine-sgx-sigstruct-view': '[ "$1" = --output-format=json ] && [ -f "$2" ] && cat "$json"',
  };
  const build = (json: string) => {
    const folder = mkdtempSync(join(work, 'build-'));
    for (const [name, body] of Object.entries(STAND_INS)) {
      writeFileSync(join(folder, name), `#!/bin/sh\nset -eu\n${body}\n`, { mode: 0o755 });
    }
    mkdirSync(join(folder, 'config'));
    writeFileSync(join(folder, 'view.json'), json);
    const env = {
      PATH: `${folder}:/usr/bin:/bin`,
      HOME: folder,
      ...{ CONFIG: join(folder, 'config'), DATA: join(folder, 'data') },
      json: join(folder, 'view.json'),
      template: join(deploy, 'gramine/modelward.manifest.template'),
    };
    const args = ['https://b:1', 'm/k/t', '0197c000-0000-7000-8000-000000000001', 'g.example.com'];
    const { status, stdout } = spawnSync(join(deploy, 'gramine/build.sh'), args, {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    return { folder, status, stdout, policyPath: join(folder, 'broker-policy.json') };
  };
  const MR = '5a'.repeat(32);

  test.each([
    ['in one line', `{"mr_signer": "${'1b'.repeat(32)}", "mr_enclave": "${MR}", "isv_svn": 0}`],
    ['in lines', `{\n  "mr_signer": "${'1b'.repeat(32)}",\n  "mr_enclave": "${MR}"\n}\n`],
  ])('ends with a policy for the measured enclave alone: measurement told %s', (_name, json) => {
    const { status, stdout, policyPath } = build(json);
    expect([status, stdout]).toEqual([0, expect.stringContaining(`MRENCLAVE ${MR}`)]);
    const resource = readBrokerPolicy(readFileSync(policyPath)).resources.get('m/k/t');
    expect(resource?.sealId).toBe('0197c000-0000-7000-8000-000000000001');
    expect(resource?.policy.accept.sgx?.mrEnclaves).toEqual([MR]);
  });

  test('without a measurement there is no policy', () => {
    const { status, policyPath } = build('{"mr_signer": "00"}');
    expect([status, existsSync(policyPath)]).toEqual([1, false]);
  });
});

describe('policies', () => {
  test.each([
    ['gramine', '@MR_ENCLAVE@', 32, 'sgx'],
    ['confidential-vm', '@MEASUREMENT@', 48, 'snp'],
  ])('of %s are read once the measurement stands in them, and refused before', (folder, place, bytes, kind) => {
    const text = read(folder, 'broker-policy.template.json')
      .replace('@RESOURCE@', 'models/key/a')
      .replace('@SEAL_ID@', '0197c000-0000-7000-8000-000000000001');
    expect(() => readBrokerPolicy(utf8(text))).toThrow();
    const policy = readBrokerPolicy(utf8(text.replace(place, '5a'.repeat(bytes))));
    expect(policy.resources.get('models/key/a')?.policy.accept).toHaveProperty(kind);
  });
});

describe('the configuration of the gateway', () => {
  const places: Readonly<Record<string, string>> = {
    '@NAME@': 'g.example.com',
    '@BROKER@': 'https://b:1',
    '@RESOURCE@': 'm/k/t',
    '@DATA@': '/srv/modelward',
  };
  const readConfig = (...path: readonly string[]) => {
    const text = read(...path).replace(/@[A-Z]+@/g, (place) => places[place]);
    const given = parse(text) as { listen: { tls: object } };
    // What "attested" has the command make.
    const tls = { ...given.listen.tls, cert: '/server.pem', key: '/server.key' };
    return { text, config: readGatewayConfig({ ...given, listen: { ...given.listen, tls } }) };
  };

  test.each([
    ['gramine', 'gateway.template.yaml', 'sgx'],
    ['confidential-vm', 'gateway.yaml', 'snp'],
  ])('of %s is one: callers show certificates, the key comes from a broker, the certificates are made inside', (...at) => {
    const [folder, name, tee] = at;
    const { text, config } = readConfig(folder, name);
    expect(config.listen.tls).toMatchObject({ clientCertificates: 'required' });
    expect(config.models).toMatchObject([{ broker: { tee, ca: 'broker-ca.pem' } }]);
    expect(config.identity.certificates).toHaveLength(1);
    expect(text).not.toMatch(/cert:|key:/);
  });

  test('has its public folder where the recipe looks for it', () => {
    expect(readConfig('confidential-vm', 'gateway.yaml').config.attested?.out).toBe(
      /^PUBLIC=(.*)$/m.exec(read('confidential-vm/service.conf'))?.[1],
    );
    expect(read('gramine/modelward.manifest.template')).toContain('"file:{{ data }}/public/"');
    expect(readConfig('gramine', 'gateway.template.yaml').config.attested?.out).toBe('/srv/modelward/public');
  });
});

describeWithProgram('the manifest of Gramine', ...TOML_PROGRAM, () => {
  const values = {
    ...{ node: '/usr/bin/node', app: '/opt/modelward', config: '/etc/modelward', data: '/srv/modelward' },
    arch_libdir: '/lib/x86_64-linux-gnu',
    ...{ edmm: 'true', enclave_size: '4G', 'gramine.libos': '/g/libsysdb.so', 'gramine.runtimedir()': '/g/runtime' },
  };
  const render = () => renderManifest(join(deploy, 'gramine/modelward.manifest.template'), values);

  test('has documented keys alone', () => {
    expect(findUnknownKeys(render())).toEqual([]);
    expect(
      findUnknownKeys({ sgx: { nonpie_binary: true }, fs: { mounts: [{ path: '/x', kind: 'tmpfs' }] } }),
    ).toHaveLength(2);
  });

  test('takes nothing from the host: no argument, no variable, no insecure key, no debugging', () => {
    const manifest = render();
    expect(JSON.stringify(manifest)).not.toMatch(/insecure__|passthrough|allow_all_but_log/);
    expect(manifest.sgx).toMatchObject({ debug: false, remote_attestation: 'dcap' });
    expect(manifest.loader).toMatchObject({ log_level: 'error' });
  });

  test('starts "serve" with a configuration that is measured, in one process, and leaves no state on the host', () => {
    const { libos, loader, sys } = render();
    expect(loader.argv[0]).toBe(libos.entrypoint);
    expect(loader.argv.slice(loader.argv.indexOf('serve'))).toEqual(['serve', '/etc/modelward/gateway.yaml']);
    expect(sys.disallow_subprocesses).toBe(true);
    expect(loader.env.MODELWARD_HOME).toBe('/tmp/modelward');
  });

  test('trusts what is code or configuration, by digest, and of the rest only what nobody believes', () => {
    const { fs, sgx } = render();
    const uris = fs.mounts.flatMap(({ uri }) => uri ?? []);
    const data = 'file:/srv/modelward';
    for (const uri of uris.filter((one) => one !== data)) {
      expect(sgx.trusted_files).toContain(uri === 'file:/usr/bin/node' ? uri : `${uri}/`);
    }
    expect(sgx.allowed_files.every((uri) => uri.startsWith(`${data}/`))).toBe(true);
    expect(sgx.trusted_files.some((uri) => uri.startsWith(data))).toBe(false);
  });
});

describeWithProgram('the unit of a confidential VM', 'systemd-analyze', ['--version'], () => {
  /** The unit with its scripts where they are in this checkout: the program looks whether it exists. */
  const writeUnit = (): string => {
    const path = join(work, 'modelward.service');
    writeFileSync(
      path,
      read('confidential-vm/modelward.service').replaceAll(
        '/usr/lib/modelward/',
        `${join(deploy, 'confidential-vm')}/`,
      ),
    );
    return path;
  };

  test('is understood by systemd without a word of complaint', () => {
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', writeUnit()], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  test('is exposed to less than systemd calls OK (2.0 of 10)', () => {
    const args = ['security', '--offline=true', '--threshold=20', '--no-pager', writeUnit()];
    const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/Overall exposure level for modelward\.service: 1\.\d OK/);
  });

  test('writes no core, no swap, and no disk', () => {
    const unit = read('confidential-vm/modelward.service');
    for (const line of ['LimitCORE=0', 'MemorySwapMax=0', 'ProtectSystem=strict', 'CapabilityBoundingSet=']) {
      expect(unit.split('\n')).toContain(line);
    }
    const paths = /^ReadWritePaths=(.*)$/m.exec(unit)?.at(1);
    expect(paths).toBe('/sys/kernel/config/tsm/report');
  });
});

const hasVerity = hasProgram('veritysetup') && hasProgram('mksquashfs', ['-version']);
describeWhere(hasVerity, 'the image of a confidential VM', 'squashfs-tools, cryptsetup-bin', () => {
  const build = (root: string, out: string) =>
    spawnSync(join(deploy, 'confidential-vm/build-image.sh'), [root, join(work, out)], { encoding: 'utf8' });
  const makeRoot = (name: string): string => {
    const root = join(work, name);
    mkdirSync(join(root, 'usr/bin'), { recursive: true });
    writeFileSync(join(root, 'usr/bin/node'), 'a program');
    return root;
  };

  test('is the same twice, verifies, and a changed bit or another file is another measurement', () => {
    const root = makeRoot('root');
    expect(build(root, 'one')).toMatchObject({ status: 0 });
    expect(build(root, 'two')).toMatchObject({ status: 0 });
    const toFile = (out: string, name: string) => join(work, out, name);
    const cmdline = readFileSync(toFile('one', 'cmdline'), 'utf8');
    expect(readFileSync(toFile('two', 'cmdline'), 'utf8')).toBe(cmdline);
    expect(cmdline).toMatch(/ roothash=[0-9a-f]{64} /);
    const hash = readFileSync(toFile('one', 'root.hash'), 'utf8');
    const verify = () =>
      spawnSync('veritysetup', ['verify', toFile('one', 'root.squashfs'), toFile('one', 'root.verity'), hash]).status;
    expect(verify()).toBe(0);
    const image = readFileSync(toFile('one', 'root.squashfs'));
    image[image.length >> 1] ^= 1;
    writeFileSync(toFile('one', 'root.squashfs'), image);
    expect(verify()).not.toBe(0);
    writeFileSync(join(root, 'usr/bin/node'), 'another program');
    expect(build(root, 'three')).toMatchObject({ status: 0 });
    expect(readFileSync(toFile('three', 'cmdline'), 'utf8')).not.toBe(cmdline);
  });

  test('has unit, entry and configuration where the unit looks for them', () => {
    const root = makeRoot('installed');
    expect(build(root, 'image')).toMatchObject({ status: 0 });
    const installed = ['usr/lib/modelward/start', 'usr/lib/modelward/publish', 'etc/modelward/service.conf'];
    for (const path of [...installed, 'etc/modelward/gateway.yaml']) {
      expect(existsSync(join(root, path))).toBe(true);
    }
    expect(existsSync(join(root, 'etc/systemd/system/multi-user.target.wants/modelward.service'))).toBe(true);
  });

  test.each(['usr/bin/cloud-init', 'usr/sbin/sshd', 'usr/sbin/waagent'])('with %s in it is refused', (path) => {
    const root = makeRoot(`with-${path.replaceAll('/', '-')}`);
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), '');
    const { status, stderr } = build(root, `never-${path.replaceAll('/', '-')}`);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`${path} takes orders`)]);
  });
});
