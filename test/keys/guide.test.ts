/** The commands of docs/keys.md for HSM, TPM, age and passphrase, run by a shell as they stand there; only places and names are put in. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bin, createWorkplace, root, samples, type Workplace } from '../e2e/command.ts';
import { describeWhere, hasProgram } from '../shared-data.ts';
import { hasSoftHsm, SOFTHSM_MODULE, SOFTHSM_NEEDED } from '../softhsm.ts';
import { hasSwtpm, removeTestTpm, startTestTpm, SWTPM_NEEDED } from '../swtpm.ts';

const sections = readFileSync(join(root, 'docs/keys.md'), 'utf8').split(/^## /m);
const RECIPIENT = 'age1r8ltxh6qxvgd36pz6ydtnl87ud2l8p379tn4lyclgyg9xsz4rqkqjlcl64';

let place: Workplace;
const at = (name: string): string => join(place.folder, name);
beforeEach(() => {
  place = createWorkplace();
  copyFileSync(join(samples, 'mlp.onnx'), at('model.onnx'));
  mkdirSync(at('usb'));
});
afterEach(() => {
  place.remove();
});

/** The shell blocks of the section whose heading begins so. */
function readCommands(heading: string): string {
  const section = sections.find((each) => each.startsWith(heading)) ?? '';
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, text]) => text).join('\n');
}

/** Runs them in one shell that ends at the first failure; what is put in has to be there. */
function run(commands: string, places: Readonly<Record<string, string>>, before = ''): string {
  let script = commands;
  for (const [shown, real] of Object.entries(places)) {
    expect(script, `the guide has no ${shown}`).toContain(shown);
    script = script.replaceAll(shown, real);
  }
  const modelward = `modelward() { "${process.execPath}" "${bin}" "$@"; }`;
  const env = { ...process.env, MODELWARD_HOME: place.home, NO_COLOR: '1' };
  const given = ['-e', '-o', 'pipefail', '-c', `${modelward}\n${before}\n${script}`];
  const { status, stdout, stderr } = spawnSync('bash', given, { cwd: place.folder, env, encoding: 'utf8' });
  expect(status, `${script}\n${stdout}${stderr}`).toBe(0);
  return stdout;
}

const opens = (name: string): void => {
  expect(readFileSync(at(name)).equals(readFileSync(at('model.onnx')))).toBe(true);
};

describeWhere(hasSoftHsm, 'the guide: HSM', SOFTHSM_NEEDED, () => {
  test('a token, a key in it, a model sealed under it, and its rotation', () => {
    mkdirSync(at('tokens'));
    writeFileSync(at('softhsm2.conf'), `directories.tokendir = ${at('tokens')}\nobjectstore.backend = file\n`);
    writeFileSync(at('usb/pin'), '31415926\n', { mode: 0o600 });
    // What the programs ask for on a terminal.
    const places = {
      '--free --label models': '--free --label models --pin 31415926 --so-pin 27182818',
      '--token-label models --login': '--token-label models --login --pin 31415926',
      '/usr/lib/softhsm/libsofthsm2.so': SOFTHSM_MODULE,
      '/etc/modelward/pin': at('usb/pin'),
    };
    const open = '\nmodelward open release/model.seal --out plain --key "$KEY"';
    run(readCommands('HSM') + open, places, `export SOFTHSM2_CONF="${at('softhsm2.conf')}"`);
    opens('plain/model.onnx');
  });
});

describeWhere(hasSwtpm, 'the guide: TPM', SWTPM_NEEDED, () => {
  test('a model sealed under a key of the TPM', async () => {
    const tpm = await startTestTpm();
    try {
      // As the firmware does at the start.
      tpm.tool('tpm2_pcrextend', `7:sha256=${'07'.repeat(32)}`);
      const places = {
        '/var/lib/modelward/machine.json?pcrs=7': `${at('usb')}/machine.json?pcrs=7&device=${tpm.address}`,
      };
      run(readCommands('TPM'), places);
      place.json([
        'open',
        'release/model.seal',
        '--out',
        'plain',
        '--key',
        `tpm2:${at('usb')}/machine.json?device=${tpm.address}`,
      ]);
      opens('plain/model.onnx');
    } finally {
      await tpm.stop();
      removeTestTpm(tpm);
    }
  });
});

describeWhere(hasProgram('age', ['--version']), 'the guide: break-glass', 'age', () => {
  test('a pair, a model under its public half, opened by it; and its data key by age alone', () => {
    const commands = readCommands('Break-glass');
    const identity = at('usb/break-glass.txt');
    // jq is not everywhere; the program that it is given says what it prints.
    const jq = `jq() { node -e 'for (const r of JSON.parse(fs.readFileSync(process.argv[1])).recipients) if (r.type === "age") console.log(r.wrapped)' "$3"; }`;
    const lines = commands.replaceAll(RECIPIENT, '"$(age-keygen -y ' + identity + ')"').split('\n');
    expect(commands).toContain(RECIPIENT);
    const envelope = `"${place.home}"/envelopes/*.keys.json`;
    run(lines.join('\n'), { '/media/usb/break-glass.txt': identity, 'model.keys.json': envelope }, jq);
    opens('plain/model.onnx');
    expect(readFileSync(at('dek.bin'))).toHaveLength(32);
  });
});

test('the guide: a passphrase', () => {
  mkdirSync(at('secrets'));
  writeFileSync(at('secrets/words'), 'five random words of ours\n', { mode: 0o600 });
  const asked = 'modelward seal model.onnx';
  const places = {
    // Asked for twice on a terminal.
    [asked]: `modelward --key-passphrase-file /run/secrets/words seal model.onnx`,
    '/run/secrets/words': at('secrets/words'),
    '/media/usb': at('usb'),
  };
  run(readCommands('A passphrase'), places);
  opens('plain/model.onnx');
  expect(existsSync(at('usb/key.json'))).toBe(true);
  expect(readdirSync(at('release'))).toEqual(['model.seal']);
});
