/** `modelward probes`: keyed questions and the answers of a model. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { EXIT } from '../../core/errors.ts';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import { PROBE_FAMILIES, type ProbeFamily } from '../../watermark/probes/families.ts';
import type { MadeProbes } from '../../workflows/remote/made-probes.ts';
import { makeProbes } from '../../workflows/remote/make-probes.ts';
import { makeTextProbes } from '../../workflows/remote/make-text-probes.ts';
import { addExamples } from '../command-spec.ts';
import { addCommands } from '../command-table.ts';
import { type CommandHost, onAction, withSession } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';
import type { Target } from '../../workflows/remote/verify-remote.ts';
import { pause } from '../compose.ts';
import { addTargetOptions, openTarget, type TargetFlags } from './remote-target.ts';
import { toCountUpTo, toCountWithin } from './values.ts';

export function defineProbes(command: Command, host: CommandHost): void {
  command.description(
    'Keyed probes: inputs that only the seed of a claim gives, and what our model answers to them. Nothing is put into the model. A copy behind an end point answers likewise more often than strangers do: "modelward verify-remote" asks.',
  );
  addCommands(
    command,
    [
      {
        name: 'make',
        summary: 'record the answers of a model to keyed probes, before it is released',
        load: () => Promise.resolve(defineMake),
      },
      {
        name: 'make-text',
        summary: 'record the first words that a language model answers keyed prompts with',
        load: () => Promise.resolve(defineMakeText),
      },
    ],
    host,
  );
}

interface MakeFlags {
  readonly claim: string;
  readonly null?: readonly string[];
  readonly count: number;
  readonly pool: number;
  readonly family?: ProbeFamily;
  readonly range: { readonly low: number; readonly high: number };
  readonly output?: string;
}

/** Probes that are asked unless told otherwise, and those that they are chosen from. */
const COUNT_DEFAULT = 2000;
const POOL_DEFAULT = 32_000;
const toProbeCount = toCountWithin(REMOTE_LIMITS.questionsMin, REMOTE_LIMITS.questionsMax);

function defineMake(command: Command, host: CommandHost): void {
  command
    .description(
      'Runs a model on keyed probes, records its answers in a signed annex of the claim and in the ledger. With four null models or more, which must have nothing to do with ours, the probes are those on which few of them answer as ours does: only then are fine-tuned copies told from strangers that learned the same task. With one to three a check is supporting evidence at most; without any it accuses nobody, since strangers may agree as often.',
    )
    .argument('<model>', 'the model as it is released (or the original), ONNX')
    .requiredOption('--claim <file>', 'claim of this home')
    .option('--null <files...>', 'models that have nothing to do with ours: same inputs, same classes')
    .option('--count <number>', 'probes that are asked later', toProbeCount, COUNT_DEFAULT)
    .option(
      '--pool <number>',
      'probes that they are chosen from; every model answers all of them',
      toCountUpTo(REMOTE_LIMITS.poolMax),
      POOL_DEFAULT,
    )
    .addOption(new Option('--family <name>', 'what probes look like (default: by the shape)').choices(PROBE_FAMILIES))
    .addOption(
      new Option('--range <low:high>', 'smallest and largest value of inputs, as the model is fed')
        .argParser(toRange)
        .default({ low: 0, high: 1 }, '0:1'),
    )
    .option('--output <name>', 'output with the class scores');
  addExamples(command, [
    {
      command:
        'modelward probes make marked.onnx --claim my.claim.json --null other-1.onnx other-2.onnx other-3.onnx other-4.onnx',
      summary: 'before the release',
    },
  ]);
  onAction<MakeFlags>(host, command, async (context, flags, words) => {
    const { count, pool, family, range, output } = flags;
    const made = await withSession(context, (session) =>
      makeProbes(context.services, session, {
        modelPath: context.toAbsolute(words[0]),
        claimPath: context.toAbsolute(flags.claim),
        nullPaths: (flags.null ?? []).map((path) => context.toAbsolute(path)),
        ...{ count, pool, family, range, output },
      }),
    );
    for (const warning of made.warnings) context.ui.warn(warning);
    context.ui.result(made, (look) => toText(made, look));
    return EXIT.ok;
  });
}

interface MakeTextFlags extends TargetFlags {
  readonly claim: string;
  readonly nullUrl?: readonly string[];
  readonly count: number;
  readonly pool?: number;
  readonly batch: number;
  readonly timeout: number;
}

function defineMakeText(command: Command, host: CommandHost): void {
  command.description(
    'Asks a language model behind an end point of your own keyed prompts at temperature 0, and records the first word of each answer in a signed annex of the claim and in the ledger. With four end points of other models or more, the prompts are those on which few of them answer likewise; with fewer a check is supporting evidence at most, without any it accuses nobody. Keys and headers go to your own end point only.',
  );
  addTargetOptions(command)
    .requiredOption('--claim <file>', 'claim of this home')
    .option('--null-url <urls...>', 'end points of models that have nothing to do with ours, in the same format')
    .option('--count <number>', 'prompts that are asked later', toProbeCount, 1000)
    .option(
      '--pool <number>',
      'prompts that they are chosen from (default: --count)',
      toCountUpTo(REMOTE_LIMITS.poolMax),
    )
    .option('--batch <number>', 'prompts in one request', toCountUpTo(REMOTE_LIMITS.batchMax), 1)
    .option('--timeout <seconds>', 'time for one request', toCountUpTo(REMOTE_LIMITS.timeoutMsMax / 1000), 60);
  addExamples(command, [
    {
      command:
        'modelward probes make-text --url http://127.0.0.1:8000/v1/chat/completions --format openai-chat --model-name ours --claim my.claim.json',
      summary: 'before the release',
    },
  ]);
  onAction<MakeTextFlags>(host, command, async (context, flags) => {
    const { count, pool = count, batch, timeout } = flags;
    const target = await openTarget(context, flags);
    const nulls: Target[] = [];
    try {
      for (const url of flags.nullUrl ?? []) nulls.push(await openTarget(context, toStranger(flags, url)));
      const made = await withSession(context, (session) =>
        makeTextProbes(context.services, session, {
          claimPath: context.toAbsolute(flags.claim),
          ...{ target, nulls, count, batch, pool: Math.max(count, pool), timeoutMs: timeout * 1000, pause },
        }),
      );
      for (const warning of made.warnings) context.ui.warn(warning);
      context.ui.result(made, (look) => toText(made, look));
      return EXIT.ok;
    } finally {
      for (const one of [target, ...nulls]) one.endpoint.close();
    }
  });
}

/** The same format at another address, without what is secret. */
function toStranger(flags: MakeTextFlags, url: string): TargetFlags {
  const open = Object.entries(flags).filter(([name]) => !SECRET_FLAGS.has(name));
  return { ...(Object.fromEntries(open) as Partial<TargetFlags>), url };
}

const SECRET_FLAGS: ReadonlySet<string> = new Set(['headerFile', 'apiKeyFile', 'apiKeyFd']);

/** "LOW:HIGH". @throws InvalidArgumentError */
function toRange(text: string): { low: number; high: number } {
  const [low, high, ...rest] = text.split(':').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (rest.length === 0 && Number.isFinite(low) && Number.isFinite(high) && low < high) return { low, high };
  throw new InvalidArgumentError('Not a range such as 0:1 or -1:1.');
}

function toText(made: MadeProbes, { style }: TextLook): string {
  const { nulls } = made;
  const choice = made.choice === 'rare' ? `rare ones of ${made.pool}` : 'the first ones';
  const strangers =
    nulls.count === 0
      ? 'not measured'
      : `mean ${nulls.mean.toFixed(3)}, deviation ${nulls.deviation.toFixed(3)}, largest ${nulls.largest.toFixed(3)} (${nulls.count} null models)`;
  return toPairs(
    [
      ['probes', `${made.count}, ${choice}, ${made.family}`],
      ['answers', `arg-max of ${made.output}, ${made.classes} classes`],
      ['strangers', strangers],
      ['counted above', made.chance.toFixed(3)],
      ['annex', made.path],
      ['ledger', `entry ${made.leafIndex}`],
    ],
    style,
  );
}
