/** `modelward sign`: a signature over the files of a model, for anyone to verify. */
import { type Command, Option } from 'commander';
import { basename, dirname, join } from 'node:path';
import { zeroize } from '../../core/bytes.ts';
import { CliError, EXIT } from '../../core/errors.ts';
import { MODEL_SIGNING_LIMITS } from '../../core/limits/model-signing.ts';
import { signModel, type SignModelOptions, type SignModelResult } from '../../workflows/model-signing/index.ts';
import { addExamples } from '../command-spec.ts';
import { type CliContext, type CommandHost, onAction, withSession } from '../context.ts';
import { readSecretFd, readSecretFile } from '../ui/secret.ts';
import { toPairs } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';
import { toCountWithin, toHttpUrl, toNumber } from './values.ts';

interface SignFlags {
  readonly signature?: string;
  readonly key?: string;
  readonly passphraseFile?: string;
  readonly passphraseFd?: number;
  readonly certificate?: readonly string[];
  readonly tsa?: string;
  readonly method: 'files' | 'shards';
  readonly shardSize: number;
  readonly hash: 'sha256' | 'blake2b';
  readonly ignorePaths?: readonly string[];
  readonly allowSymlinks?: boolean;
  readonly bom?: string | true;
  readonly provenance?: string | true;
  readonly material?: readonly string[];
  readonly builder?: string;
  readonly force?: boolean;
}

export function defineSign(command: Command, host: CommandHost): void {
  command
    .description(
      'Signs a model, a file or a whole folder, as OpenSSF Model Signing v1.0 has it: a detached bundle that this tool, model_signing and others verify. Signs with the owner key of the home unless another is given.',
    )
    .argument('<model>', 'file or folder of the model, or a sealed model')
    .option('--signature <file>', 'where to write (default: model.sig in the folder, MODEL.sig beside a file)')
    .option(
      '--key <file or uri>',
      'private key on P-256, P-384 or P-521: a PEM file readable by you alone, or a key of a token (pkcs11:…)',
    )
    .option('--passphrase-file <file>', 'read the passphrase of the key from a file that only you can read')
    .option('--passphrase-fd <number>', 'read the passphrase of the key from an open file descriptor', toNumber)
    .option('--certificate <file...>', 'certificates for the key, the signing one first; they go into the signature')
    .option('--tsa <url>', 'let this RFC 3161 authority attest the time of signing', toHttpUrl)
    .addOption(
      new Option('--method <method>', 'digest per file, or per shard').choices(['files', 'shards']).default('files'),
    )
    .option(
      '--shard-size <bytes>',
      'bytes of a shard',
      toCountWithin(MODEL_SIGNING_LIMITS.shardBytesMin, Number.MAX_SAFE_INTEGER),
      MODEL_SIGNING_LIMITS.shardBytesDefault,
    )
    .addOption(new Option('--hash <hash>', 'hash of the files').choices(['sha256', 'blake2b']).default('sha256'))
    .option('--ignore-paths <path...>', 'leave these out; relative to the folder, exact, without wildcards')
    .option('--allow-symlinks', 'sign what symbolic links lead to, instead of refusing them')
    .option('--bom [file]', 'also write a CycloneDX bill of materials')
    .option('--provenance [file]', 'also write signed SLSA provenance about the same digest')
    .option('--material <file...>', 'files that the model was made from, for bill of materials and provenance')
    .option('--builder <uri>', 'who built the model, in the provenance (default: the owner)')
    .option('--force', 'replace an earlier signature');
  addExamples(command, [
    { command: 'modelward sign model/', summary: 'writes model/model.sig with the owner key' },
    { command: 'modelward sign model.onnx --key signing.pem --bom --provenance', summary: 'with its papers' },
    {
      command:
        "modelward sign model/ --key 'pkcs11:token=release;object=models?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/modelward/pin'",
      summary: 'by a key that never leaves its token',
    },
    {
      command: 'modelward sign model/ --key k.pem --certificate leaf.pem ca.pem',
      summary: 'for those who know the CA',
    },
  ]);
  onAction<SignFlags>(host, command, async (context, flags, words) => {
    const result = await withSession(context, (session) =>
      withKey(context, flags, (key) =>
        signModel(context.services, session, { ...toOptions(context, flags, words[0]), key }),
      ),
    );
    context.ui.result(result, (look) => toText(result, look));
    return EXIT.ok;
  });
}

/** Where the signature of a model lies unless it was said. */
export function toSignaturePath(context: CliContext, path: string, given: string | undefined): string {
  if (given !== undefined) return context.toAbsolute(given);
  return context.services.isFolder(path) ? join(path, 'model.sig') : `${path}.sig`;
}

/** Shells complete folders with a slash at the end, and some people begin with "./". */
export function toPlainPath(path: string): string {
  return path.replace(/^(\.\/+)+/, '').replace(/\/+$/, '');
}

function toOptions(context: CliContext, flags: SignFlags, word: string): Omit<SignModelOptions, 'key'> {
  const path = context.toAbsolute(word);
  const signaturePath = toSignaturePath(context, path, flags.signature);
  const stem = join(dirname(signaturePath), basename(signaturePath).replace(/\.sig$/, ''));
  const toOutput = (given: string | true | undefined, ending: string): string | null => {
    if (given === undefined) return null;
    return given === true ? `${stem}.${ending}` : context.toAbsolute(given);
  };
  return {
    path,
    signaturePath,
    bomPath: toOutput(flags.bom, 'cdx.json'),
    provenancePath: toOutput(flags.provenance, 'provenance.json'),
    force: flags.force ?? false,
    hashType: flags.hash,
    shardBytes: flags.method === 'shards' ? flags.shardSize : null,
    ignorePaths: (flags.ignorePaths ?? []).map(toPlainPath),
    allowSymlinks: flags.allowSymlinks ?? false,
    materialPaths: (flags.material ?? []).map((one) => context.toAbsolute(one)),
    builderId: flags.builder ?? null,
    certificatePaths: (flags.certificate ?? []).map((one) => context.toAbsolute(one)),
    tsaUrl: flags.tsa ?? null,
  };
}

/** The key file and its passphrase are in memory for as long as `work` runs. */
async function withKey<T>(
  context: CliContext,
  flags: SignFlags,
  work: (key: SignModelOptions['key']) => Promise<T>,
): Promise<T> {
  if (flags.key === undefined) return work(null);
  if (flags.key.startsWith('pkcs11:')) return withTokenKey(context, flags, flags.key, work);
  const pem = readSecretFile(context.toAbsolute(flags.key), MODEL_SIGNING_LIMITS.pemBytesMax);
  let passphrase: Uint8Array | null = null;
  try {
    if (flags.passphraseFile !== undefined) passphrase = readSecretFile(context.toAbsolute(flags.passphraseFile));
    else if (flags.passphraseFd !== undefined) passphrase = readSecretFd(flags.passphraseFd);
    return await work({ pem, passphrase });
  } finally {
    zeroize(pem);
    if (passphrase !== null) zeroize(passphrase);
  }
}

/** The key never leaves its token; its session is closed when `work` is done. */
async function withTokenKey<T>(
  { services }: CliContext,
  { passphraseFile, passphraseFd }: SignFlags,
  uri: string,
  work: (key: SignModelOptions['key']) => Promise<T>,
): Promise<T> {
  if (passphraseFile !== undefined || passphraseFd !== undefined) {
    throw new CliError('CLI_USAGE', { message: 'A token takes its PIN from pin-source of the URI, or asks for it.' });
  }
  const opened = await services.openSigner(uri);
  try {
    return await work(opened.signer);
  } finally {
    opened.close();
  }
}

function toText(result: SignModelResult, { style }: TextLook): string {
  const { signature, bom, provenance, subject, method, key, curve, resources, ignored, outside } = result;
  const timed = result.isTimestamped ? ', with a timestamp' : '';
  const shown = [
    ['signature', signature.path],
    ...(bom === null ? [] : [['bill of materials', bom.path]]),
    ...(provenance === null ? [] : [['provenance', provenance.path]]),
    ['model', `${subject.name} (sha256:${subject.digest})`],
    ['covers', `${resources} ${resources === 1 ? 'resource' : 'resources'}`],
    ['left out', ignored.length === 0 ? 'nothing but .git files' : ignored.join(', ')],
    ...(outside.length === 0 ? [] : [['outside the folder', outside.join(', ')]]),
    ['signed by', `${method} ${key} (${curve}${timed})`],
    ['ledger', `entry ${result.leafIndex}`],
  ] as [string, string][];
  return toPairs(shown, style);
}
