/** Command lines that fail, each with a canary in the place of a secret, and the code with which it has to fail. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAgeIdentity } from '../../src/adapters/kms/age/identity.ts';
import { systemClock, systemRandom } from '../../src/adapters/system/index.ts';
import type { ErrorCode } from '../../src/core/errors.ts';

/** Long enough for every lower bound, with characters that spellings treat differently. */
export const CANARY = 'CANARY+words=that~nobody*says9!';

export interface Stage {
  /** Holds mlp.onnx, sealed/m.seal, real.backup and the empty folder safe. */
  readonly folder: string;
  readonly home: string;
  /** Answers every request with what it was sent, and status 403, or NNN for a path with status-NNN in it. */
  readonly url: string;
}

export interface Provocation {
  readonly code: ErrorCode;
  readonly words: readonly string[];
}

const SEAL = ['seal', 'mlp.onnx', '--out', 'sealed/n.seal', '--key'];
const OPEN = ['open', 'sealed/m.seal', '--out', 'plain'];

export function listProvocations(stage: Stage): readonly Provocation[] {
  return [
    ...listSecretFiles(stage),
    ...listKeyUris(),
    ...listKeyFiles(stage),
    ...listKeyServices(stage),
    ...listSeals(stage),
    ...listSigning(stage),
    ...listAddresses(stage),
    ...listLicences(stage),
  ];
}

function keep({ folder }: Stage, name: string, text: string | Uint8Array, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** Files and descriptors that passphrases come from. */
function listSecretFiles(stage: Stage): Provocation[] {
  const backup = (file: string): string[] => ['keys', 'backup', '--out', 'b.json', '--passphrase-file', file];
  keep(stage, 'shown', CANARY, 0o644);
  keep(stage, 'empty', '\n');
  keep(stage, 'long', CANARY.repeat(400));
  keep(stage, 'short', CANARY.slice(0, 7));
  return [
    { code: 'CLI_SECRET_FILE_EXPOSED', words: backup('shown') },
    { code: 'CLI_SECRET_EMPTY', words: backup('empty') },
    { code: 'CLI_SECRET_TOO_LONG', words: backup('long') },
    { code: 'CLI_SECRET_UNREADABLE', words: backup('nowhere') },
    { code: 'SIGN_PASSPHRASE_SHORT', words: backup('short') },
    { code: 'CLI_NO_TERMINAL', words: ['keys', 'backup', '--out', 'b.json'] },
    { code: 'CLI_UNKNOWN_OPTION', words: [...OPEN, `--passphrase=${CANARY}`] },
    { code: 'CLI_USAGE', words: ['keys', 'backup', '--out', 'b.json', '--passphrase-fd', CANARY] },
    { code: 'CLI_USAGE', words: ['protect', 'mlp.onnx', '--tsa', `https://user:${CANARY}@127.0.0.1/`] },
    { code: 'CLI_USAGE', words: ['open', 'sealed/m.seal', CANARY] },
  ];
}

/** URIs that carry a secret, which they must not, or cannot be read. */
function listKeyUris(): Provocation[] {
  const inUri = [
    `vault:transit/k?addr=https://127.0.0.1:9&token=${CANARY}`,
    `vault:transit/k?addr=https://user:${CANARY}@127.0.0.1:9`,
    `pkcs11:token=t;object=k?pin-value=${CANARY}`,
    `aws-kms:alias/x?region=eu-west-1&secret=${CANARY}`,
  ];
  return [
    ...inUri.map((uri): Provocation => ({ code: 'KEY_URI_SECRET', words: [...SEAL, uri] })),
    { code: 'KEY_SCHEME_UNKNOWN', words: [...SEAL, `canary:${CANARY}`] },
    { code: 'KEY_URI_INVALID', words: [...SEAL, `vault:${CANARY}`] },
    { code: 'KEY_URI_INVALID', words: [...SEAL, `gcp-kms:${CANARY}`] },
    { code: 'KEY_URI_INVALID', words: [...SEAL, `azure-kv:${CANARY}`] },
  ];
}

/** Key files with the canary where a key should be. */
function listKeyFiles(stage: Stage): Provocation[] {
  const hex = Buffer.from(CANARY).toString('hex').padEnd(64, '0').slice(0, 64);
  const version = { version: 1, createdAt: '2026-01-01T00:00:00.000Z', kek: hex };
  const file = { v: 1, type: 'modelward-local-key', keyId: 'ab'.repeat(16), versions: [version] };
  const other = keep(stage, 'safe/other.json', JSON.stringify(file));
  const broken = keep(stage, 'safe/broken.json', JSON.stringify({ ...file, versions: [{ ...version, more: CANARY }] }));
  const junk = keep(stage, 'safe/junk.json', `{"kek":"${CANARY}"`);
  const age = join(stage.folder, 'safe/age.txt');
  createAgeIdentity({ path: age, random: systemRandom, clock: systemClock });
  const shown = keep(stage, 'safe/shown.json', JSON.stringify(file), 0o644);
  const beside = keep(stage, 'beside.json', JSON.stringify(file));
  const identity = keep(stage, 'safe/identity.txt', `AGE-SECRET-KEY-1${CANARY}\n`);
  const words = keep(stage, 'safe/words.json', JSON.stringify({ v: 1, type: 'modelward-passphrase-key', box: CANARY }));
  const chip = keep(stage, 'safe/chip.json', JSON.stringify({ v: 1, type: 'modelward-tpm2-key', root: CANARY }));
  const secret = keep(stage, 'safe/passphrase', CANARY);
  return [
    { code: 'KEY_NOT_FOUND', words: [...OPEN, '--key', `local:${other}`] },
    { code: 'KEY_STORE_INVALID', words: [...OPEN, '--key', `local:${broken}`] },
    { code: 'KEY_STORE_INVALID', words: [...OPEN, '--key', `local:${junk}`] },
    { code: 'KEY_STORE_UNSAFE', words: [...OPEN, '--key', `local:${shown}`] },
    { code: 'KEY_STORE_MISSING', words: [...OPEN, '--key', `local:${stage.folder}/safe/none.json`] },
    { code: 'KEY_NOT_APART', words: ['seal', 'mlp.onnx', '--out', 'n.seal', '--key', `local:${beside}`] },
    { code: 'KEY_STORE_INVALID', words: [...OPEN, '--key', `age:${identity}`] },
    { code: 'KEY_ROTATION_OUTSIDE', words: ['keys', 'rotate', '--key', `age:${age}`] },
    { code: 'KEY_STORE_INVALID', words: [...OPEN, '--key', `passphrase:${words}`, '--key-passphrase-file', secret] },
    { code: 'KEY_STORE_INVALID', words: [...OPEN, '--key', `tpm2:${chip}`] },
  ];
}

/** Services that refuse, and say what they were sent. */
function listKeyServices(stage: Stage): Provocation[] {
  const token = encodeURIComponent(keep(stage, 'safe/token', CANARY));
  const shown = encodeURIComponent(keep(stage, 'safe/token-shown', CANARY, 0o644));
  const gcp = encodeURIComponent(keep(stage, 'safe/gcp.json', JSON.stringify({ type: 'x', private_key: CANARY })));
  const pin = encodeURIComponent(keep(stage, 'safe/pin', CANARY));
  const client = { tenantId: 't', clientId: 'c', clientSecret: CANARY };
  const form = encodeURIComponent(keep(stage, 'safe/azure.json', JSON.stringify(client)));
  const azure = `azure-kv:${stage.url}/keys/k?credentials-file=${form}&login=${stage.url}`;
  const vault = (at: string, file = token): string => `vault:${at}/k?addr=${stage.url}&token-file=${file}`;
  return [
    { code: 'KEY_CREDENTIALS_UNSAFE', words: [...SEAL, vault('transit', shown)] },
    { code: 'KEY_REFUSED', words: [...SEAL, vault('transit')] },
    { code: 'KEY_CREDENTIALS_REFUSED', words: [...SEAL, azure] },
    { code: 'KEY_SERVICE_MISSING', words: [...SEAL, vault('status-404')] },
    { code: 'KEY_PROVIDER_UNAVAILABLE', words: [...SEAL, vault('status-503')] },
    { code: 'KEY_SERVICE_MALFORMED', words: [...SEAL, vault('status-200')] },
    {
      code: 'KEY_CREDENTIALS_MISSING',
      words: [...SEAL, vault('transit', encodeURIComponent(`${stage.folder}/safe/none`))],
    },
    {
      code: 'KEY_CREDENTIALS_INVALID',
      words: [...SEAL, `gcp-kms:projects/p-1/locations/l/keyRings/r/cryptoKeys/k?credentials-file=${gcp}`],
    },
    {
      code: 'KEY_SERVICE_MISSING',
      words: [...SEAL, `pkcs11:token=t;object=k?module-path=/none.so&pin-source=file:${pin}`],
    },
  ];
}

/** Sealed files and envelopes that are damaged. */
function listSeals(stage: Stage): Provocation[] {
  const seal = readFileSync(join(stage.folder, 'sealed/m.seal'));
  const cut = seal.subarray(0, seal.length - 1000);
  const flipped = Buffer.from(seal);
  flipped[flipped.length - 5] ^= 1;
  const header = Buffer.from(seal);
  header.write(CANARY, 14, 'latin1');
  keep(stage, 'cut.seal', cut);
  keep(stage, 'flipped.seal', flipped);
  keep(stage, 'header.seal', header);
  keep(stage, 'plain.seal', CANARY);
  const envelopes = readdirSync(join(stage.home, 'envelopes')).map((name) => join(stage.home, 'envelopes', name));
  const other =
    envelopes.find((path) => !path.includes(/"sealId":"([^"]+)"/.exec(seal.toString('latin1'))?.[1] ?? '')) ?? '';
  keep(stage, 'envelope.json', JSON.stringify({ v: 1, sealId: CANARY, recipients: [{ wrapped: CANARY }] }));
  const open = (file: string, ...more: readonly string[]): string[] => ['open', file, '--out', 'plain', ...more];
  return [
    { code: 'SEAL_SIZE_MISMATCH', words: open('cut.seal') },
    { code: 'SEAL_AUTH_FAILED', words: open('flipped.seal') },
    { code: 'SEAL_HEADER_INVALID', words: open('header.seal') },
    { code: 'NOT_SEALED', words: open('plain.seal') },
    { code: 'ENVELOPE_MISMATCH', words: open('sealed/m.seal', '--envelope', other) },
    { code: 'ENVELOPE_INVALID', words: open('sealed/m.seal', '--envelope', 'envelope.json') },
  ];
}

/** Keys that sign, backups of them, and seeds. */
function listSigning(stage: Stage): Provocation[] {
  const toPem = (label: string): string =>
    `-----BEGIN ${label}-----\n${Buffer.from(CANARY).toString('base64')}\n-----END ${label}-----\n`;
  keep(stage, 'signer.pem', toPem('ENCRYPTED PRIVATE KEY'));
  keep(stage, 'open.pem', toPem('PRIVATE KEY'));
  keep(stage, 'words', CANARY);
  keep(stage, 'backup.json', JSON.stringify({ v: 1, box: CANARY }));
  keep(stage, 'seed', CANARY);
  const elsewhere = ['--home', join(stage.folder, 'other-home')];
  const claim = join(stage.home, 'claims', readdirSync(join(stage.home, 'claims'))[0]);
  return [
    { code: 'OMS_KEY_LOCKED', words: ['sign', 'mlp.onnx', '--key', 'signer.pem', '--passphrase-file', 'words'] },
    { code: 'OMS_KEY_MALFORMED', words: ['sign', 'mlp.onnx', '--key', 'open.pem'] },
    {
      code: 'SIGN_BACKUP_REFUSED',
      words: ['keys', 'restore', 'real.backup', '--passphrase-file', 'words', ...elsewhere],
    },
    {
      code: 'SIGN_BACKUP_MALFORMED',
      words: ['keys', 'restore', 'backup.json', '--passphrase-file', 'words', ...elsewhere],
    },
    { code: 'SEED_FILE_MALFORMED', words: ['detect', 'mlp.onnx', '--seed', 'seed', '--claim', claim] },
    {
      code: 'SERVER_TLS_FILE',
      words: ['license', 'serve', '--tls-cert', 'signer.pem', '--tls-key', 'signer.pem', '--port', '0'],
    },
  ];
}

/** Addresses with a password in them. */
function listAddresses(stage: Stage): Provocation[] {
  mkdirSync(join(stage.folder, '.aws'), { recursive: true });
  keep(stage, '.aws/credentials', `[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = ${CANARY}\n`);
  keep(stage, 'headers', `authorization ${CANARY}\n`);
  const object = (name: string): string => `s3://bucket/${name}?region=eu-west-1&endpoint=${stage.url}`;
  const remote = (url: string): string[] => ['verify-remote', '--url', url, '--format', 'plain'];
  const at = `user:${CANARY}@127.0.0.1`;
  return [
    { code: 'OBJECT_ADDRESS_INVALID', words: ['inspect', `s3://${at}/k`] },
    { code: 'OBJECT_ADDRESS_INVALID', words: ['inspect', `s3://bucket/k?secret=${CANARY}`] },
    { code: 'OBJECT_REFUSED', words: ['inspect', object('m.seal')] },
    { code: 'OBJECT_NOT_TAKEN', words: ['baseline', object('m.seal')] },
    { code: 'REMOTE_URL_REFUSED', words: remote(`https://${at}/x`) },
    { code: 'REMOTE_HEADERS_MALFORMED', words: [...remote('https://127.0.0.1:9/x'), '--header-file', 'headers'] },
    { code: 'QUEUE_PASSWORD_EXPOSED', words: ['worker', '--queue', `postgres://${at}/db`, '--root', '.'] },
    { code: 'QUEUE_URL_MALFORMED', words: ['worker', '--queue', `http://${at}/db`, '--root', '.'] },
    {
      code: 'BROKER_UNREACHABLE',
      words: [
        'broker',
        'open',
        'sealed/m.seal',
        '--broker',
        `https://${at}:9`,
        '--resource',
        'a/b/c',
        '--tee',
        'snp',
        '--out',
        'q',
      ],
    },
  ];
}

/** Device keys and licences that are none. */
function listLicences(stage: Stage): Provocation[] {
  const other = join(stage.folder, 'other-device');
  mkdirSync(join(other, 'device'), { recursive: true });
  keep(stage, 'other-device/device/device.key', CANARY);
  keep(stage, 'license.json', JSON.stringify({ license: CANARY, keyDocument: CANARY }));
  keep(stage, 'vendor.pem', CANARY);
  const activate = (vendor: string): string[] => ['license', 'activate', 'license.json', '--vendor-key', vendor];
  return [
    { code: 'LICENSE_DEVICE_KEY_INVALID', words: ['license', 'enrol', '--home', other] },
    { code: 'SIGN_SIGNER_MALFORMED', words: activate('vendor.pem') },
    {
      code: 'LICENSE_ENROLMENT_MALFORMED',
      words: ['license', 'issue', 'sealed/m.seal', '--enrolment', 'backup.json', '--to', 'A', '--valid', '1d'],
    },
  ];
}
