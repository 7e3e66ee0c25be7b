/** `modelward protect`: everything before a release, in one step. */
import { type Command, Option } from 'commander';
import { parse } from 'node:path';
import { CliError, EXIT } from '../../core/errors.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { toReportText } from '../../report/index.ts';
import { RECIPIENT_CODES, type RecipientCode } from '../../watermark/recipient/codes.ts';
import type { Protected, ProtectOptions, ProtectResult } from '../../workflows/protect/options.ts';
import { protect } from '../../workflows/protect/protect.ts';
import { addExamples } from '../command-spec.ts';
import { type CliContext, type CommandHost, onAction, toPathOption } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import { toHttpUrl, toNumber } from './values.ts';

export interface ProtectFlags {
  readonly out?: string;
  readonly owner?: string;
  readonly eval?: string;
  readonly labelColumn?: 'auto' | 'first' | 'last';
  readonly key?: string;
  readonly sealOnly?: boolean;
  /** False with --no-mark. */
  readonly mark?: boolean;
  readonly tau?: number;
  readonly recipient?: string;
  readonly recipientCode?: RecipientCode;
  readonly limit: number;
  readonly unmeasured?: boolean;
  readonly tsa?: string;
  readonly tsaCa?: string;
  readonly force?: boolean;
  readonly dataRoot?: string;
}

export function defineProtect(command: Command, host: CommandHost): void {
  command
    .description(
      'Protects a model before release: embeds an ownership mark, commits to it, signs a baseline and a model signature (.baseline.sig), seals a copy, records everything in the ledger, and writes a report of what was done and what it cost.',
    )
    .argument('<model>', 'ONNX, safetensors, GGUF or TFLite file, or the index of a sharded model')
    .option('-o, --out <dir>', 'folder to make (default: MODEL.protected in the current folder)')
    .option('--key <uri>', 'key that wraps the data key, such as local:PATH (default: a key in the home)')
    .option('--seal-only', 'write no plaintext copy')
    .option('--no-mark', 'embed nothing; baseline, seal and record only');
  addMarkOptions(command);
  addExamples(command, [
    { command: 'modelward protect model.onnx --eval test.npz', summary: 'measure the cost on labelled data' },
    { command: 'modelward protect model.onnx --seal-only --out release', summary: 'leave no plaintext copy behind' },
    {
      command: 'modelward protect model.onnx --recipient acme --out for-acme',
      summary: 'a copy that names its recipient',
    },
    { command: 'modelward protect model.safetensors --unmeasured', summary: 'a format that cannot be run' },
  ]);
  onAction<ProtectFlags>(host, command, async (context, flags, words) => {
    const { result, report } = await runProtect(context, flags, words[0]);
    context.ui.result(result, ({ style, widthColumns }) => {
      const text = toReportText(report, { width: widthColumns, color: style.bold('x') !== 'x' });
      return `${text}${toPairs(toRecipientPairs(result.recipient, flags.recipient), style)}`;
    });
    return EXIT.ok;
  });
}

/** Whose copy it is; the ID as it was given here, for it is in no file but the home's. */
export function toRecipientPairs(recipient: ProtectResult['recipient'], id: string | undefined): [string, string][] {
  if (recipient === null) return [];
  const { number, codes, leafIndex } = recipient;
  const entry = leafIndex === null ? 'recorded before' : `entry ${leafIndex} of the ledger`;
  return [['recipient', `${id ?? ''} (number ${number}): ${codes.join(' and ')}, ${entry}`]];
}

/** Options of every command that embeds a mark. */
export function addMarkOptions(command: Command): Command {
  return command
    .option('--owner <id>', 'name of the owner; fixed on first use')
    .option('--eval <data>', 'labelled data (npz, npy, idx, csv, or a folder of images) to measure the cost on')
    .addOption(new Option('--label-column <which>', 'label column of CSV data').choices(['auto', 'first', 'last']))
    .option('--tau <number>', 'strength of the mark; without it the default, lowered as the limit asks', toNumber)
    .option('--recipient <id>', 'who gets this copy: it names them when it leaks; the ID stays in the home')
    .addOption(
      new Option(
        '--recipient-code <code>',
        'what names them: the order of neurons (costs nothing), a payload in the weights, or both (default: both)',
      ).choices(RECIPIENT_CODES),
    )
    .option('--limit <points>', 'largest accepted loss of accuracy, percentage points', toNumber, 0.1)
    .option('--unmeasured', 'go on when the cost cannot be measured')
    .option('--tsa <url>', 'time stamp authority (RFC 3161) that attests the commitment', toHttpUrl)
    .option('--tsa-ca <file>', 'root certificates of the authority (PEM)')
    .option('--force', 'replace an existing output folder')
    .option('--data-root <dir>', 'follow links that stay below this folder');
}

/** What the flags ask for; `out` is the folder that they name or the default given here. */
export function toProtectOptions(
  context: CliContext,
  flags: ProtectFlags,
  given: { readonly model: string; readonly defaultOut: string },
): ProtectOptions {
  const recipient = toRecipient(flags);
  const { sealOnly = false, unmeasured = false, force = false, mark, tau, limit, tsa, labelColumn } = flags;
  return {
    path: context.toAbsolute(given.model),
    out: context.toAbsolute(flags.out ?? given.defaultOut),
    keyUri: flags.key ?? null,
    sealOnly,
    noMark: mark === false,
    limitPoints: limit,
    unmeasured,
    force,
    tau,
    labelColumn,
    recipient,
    tsaUrl: tsa,
    ownerId: flags.owner,
    ...toPathOption(context, 'evalPath', flags.eval),
    ...toPathOption(context, 'tsaRootsPath', flags.tsaCa),
    ...toPathOption(context, 'dataRoot', flags.dataRoot),
  };
}

/** @throws CliError CLI_USAGE */
function toRecipient({ recipient, recipientCode, mark }: ProtectFlags): ProtectOptions['recipient'] {
  if (recipient === undefined) {
    if (recipientCode === undefined) return undefined;
    throw new CliError('CLI_USAGE', {
      message: '--recipient-code says how a copy names its recipient: pass --recipient ID, too.',
    });
  }
  if (mark === false)
    throw new CliError('CLI_USAGE', { message: 'A recipient is named beside the mark: leave --no-mark out.' });
  const bytesMax = WATERMARK_LIMITS.recipientIdBytesMax;
  const isName = recipient.trim() === recipient && recipient !== '' && !/\p{C}/u.test(recipient);
  if (!isName || Buffer.byteLength(recipient) > bytesMax) {
    throw new CliError('CLI_USAGE', {
      message: `A recipient's ID is printable text of at most ${bytesMax} bytes, without blanks around it.`,
    });
  }
  return { id: recipient, code: recipientCode ?? 'both' };
}

/** Fills in what was left out, and protects. */
export function runProtect(context: CliContext, flags: ProtectFlags, model: string): Promise<Protected> {
  const options = toProtectOptions(context, flags, { model, defaultOut: `${parse(model).name}.protected` });
  return protect(context.services, options);
}
