/** `modelward run`: answers of a model; the weights of a sealed one never lie on disk. */
import type { Command } from 'commander';
import { join } from 'node:path';
import { CliError, EXIT } from '../../core/errors.ts';
import { toNpyBytes } from '../../fidelity/index.ts';
import { loadReleased } from '../../workflows/broker/index.ts';
import type { Judgement } from '../../license/index.ts';
import { isSealedPath } from '../../workflows/open-model.ts';
import { loadPlain, loadSealed, readFeeds } from '../../workflows/run-model.ts';
import { assertNoInput, writeOutput } from '../../workflows/write-bytes.ts';
import { addExamples } from '../command-spec.ts';
import { openInProcessRunner } from '../compose.ts';
import { type CliContext, type CommandHost, onAction, toPathOption, withSession } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import { addLicensedOptions, assertLicensed, type LicensedFlags, loadByLicense } from './license/open.ts';
import { addReleasedOptions, findReleasedFlags, type ReleasedFlags, toReleasedOptions } from './broker/released.ts';

interface RunFlags extends Partial<ReleasedFlags>, Omit<LicensedFlags, 'force'> {
  readonly input: readonly string[];
  readonly out: string;
  readonly envelope?: string;
  readonly key?: string;
  readonly dataRoot?: string;
}

export function defineRun(command: Command, host: CommandHost): void {
  command
    .description(
      'Runs an ONNX model once and writes every output as npy. A sealed model is decrypted in the memory of a child process, which ends with the run; no plaintext is written. With --broker its key is released to this machine by what the hardware says of it; with --license it is in the licence of this device.',
    )
    .argument('<model>', 'ONNX model, plain or sealed')
    .requiredOption('--input <file...>', 'npy files, in the order of the inputs of the model')
    .option('-o, --out <dir>', 'folder for the outputs', '.')
    .option('--envelope <file>', 'key envelope of a sealed model (default: the one in the home)')
    .option('--key <uri>', 'key that unwraps the data key')
    .option('--data-root <dir>', 'follow links that stay below this folder');
  addReleasedOptions(command, 'with --broker: ');
  addLicensedOptions(command);
  addExamples(command, [
    { command: 'modelward run model.seal --input x.npy --out answers', summary: 'one batch' },
    { command: 'modelward run model.onnx --input x.npy --out answers', summary: 'for stamp read' },
    {
      command:
        'modelward run model.seal --input x.npy --out answers --broker https://keys.example.com:8443 --resource models/key/resnet --tee snp',
      summary: 'inside a confidential VM: no owner, no key store',
    },
    {
      command:
        'modelward run model.seal --input x.npy --out answers --license acme.license.json --vendor-key vendor.pem',
      summary: 'on a device with a licence: no owner, no network, no plaintext in a file',
    },
  ]);
  onAction<RunFlags>(host, command, async (context, flags, words) => {
    const path = context.toAbsolute(words[0]);
    const result = await loadAndRun(context, flags, path);
    const { judgement } = result;
    const ofLicence = judgement === undefined ? [] : (await import('./license/flags.ts')).toJudgementPairs(judgement);
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ...result.outputs.map(({ name, path, dtype, shape }): [string, string] => [
            name,
            `${dtype}[${shape.join(', ')}] in ${path}`,
          ]),
          ['ran on', result.runtime],
          ...ofLicence,
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}

async function loadAndRun(context: CliContext, flags: RunFlags, path: string): Promise<RunResult> {
  const released = findReleasedFlags(flags);
  assertLicensed(flags, { envelope: flags.envelope, key: flags.key, broker: flags.broker });
  if (flags.license !== undefined) return runByLicense(context, flags, path);
  if (released !== undefined) return run(context, flags, loadByBroker(context, flags, released, path));
  if (isSealedPath(path)) {
    return withSession(context, (session) => {
      const key = { keyUri: flags.key ?? null, ...toPathOption(context, 'envelopePath', flags.envelope) };
      return run(context, flags, loadSealed(context.services, session, { path, ...key }));
    });
  }
  return run(
    context,
    flags,
    loadPlain(context.services, { path, ...toPathOption(context, 'dataRoot', flags.dataRoot) }),
  );
}

/** What is to be told of a licence is told of every use. */
async function runByLicense(context: CliContext, flags: RunFlags, path: string): Promise<RunResult> {
  const loading = loadByLicense(context, flags, path);
  const result = await run(context, flags, loading);
  return { ...result, judgement: (await loading).judgement };
}

/** An enclave loads into itself: a child would be a second enclave, which Gramine's events do not survive. */
async function loadByBroker(
  context: CliContext,
  { key, envelope }: RunFlags,
  released: ReleasedFlags,
  path: string,
): ReturnType<typeof loadReleased> {
  if (key !== undefined || envelope !== undefined) {
    throw new CliError('CLI_USAGE', {
      message: '--key and --envelope are of a home; the key of --broker needs neither.',
    });
  }
  const runner = released.tee === 'sgx' ? await openInProcessRunner() : context.services.openSealedRunner();
  return loadReleased(runner, { ...(await toReleasedOptions(context, released)), path });
}

interface RunResult {
  readonly runtime: string;
  /** Of the licence, where it was one that opened. */
  readonly judgement?: Judgement;
  readonly outputs: readonly {
    readonly name: string;
    readonly path: string;
    readonly dtype: string;
    readonly shape: readonly number[];
  }[];
}

/** Answers once, writes what it says, and lets go of the model. */
async function run(
  context: CliContext,
  { input, out }: RunFlags,
  loading: ReturnType<typeof loadSealed>,
): Promise<RunResult> {
  const loaded = await loading;
  try {
    const inputs = input.map((path) => context.toAbsolute(path));
    const feeds = readFeeds(loaded, inputs);
    const answers = [...(await loaded.run(feeds))];
    const files = toFileNames(answers.map(([name]) => name));
    const outputs = answers.map(([name, value], index) => {
      const path = join(context.toAbsolute(out), files[index]);
      assertNoInput([path], inputs);
      writeOutput(context.services, path, toNpyBytes(value));
      return { name, path, dtype: value.dtype, shape: value.shape };
    });
    return { runtime: `${loaded.runtime.id} ${loaded.runtime.version}`, outputs };
  } finally {
    await loaded.release();
  }
}

/** Outputs whose names differ only in characters that no file name has are numbered. */
export function toFileNames(outputs: readonly string[]): string[] {
  const taken = new Set<string>();
  return outputs.map((output) => {
    const base = output.replace(/[^A-Za-z0-9_.-]/g, '_');
    let name = base;
    for (let number = 2; taken.has(name); number++) name = `${base}-${number}`;
    taken.add(name);
    return `${name}.npy`;
  });
}
