/** `modelward embed`: the mark alone. */
import type { Command } from 'commander';
import { parse } from 'node:path';
import { EXIT } from '../../core/errors.ts';
import { embedModel } from '../../workflows/index.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction, toPathOption } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import { type ProtectFlags, toNumber } from './protect.ts';

export function addEmbed(program: Command, host: CommandHost): void {
  const command = program
    .command('embed')
    .summary('put the ownership mark into a copy of a model, with its claim and commitment')
    .description(
      'Embeds the ownership mark into a copy, measures its cost, and writes claim, commitment and ledger entry. protect does this and more.',
    )
    .argument('<model>', 'ONNX or safetensors model')
    .option('-o, --out <dir>', 'folder to make (default: MODEL.marked in the current folder)')
    .option('--owner <id>', 'name of the owner; fixed on first use')
    .option('--eval <data>', 'labelled data to measure the cost on')
    .option('--tau <number>', 'strength of the mark', toNumber)
    .option('--limit <points>', 'largest accepted loss of accuracy, percentage points', toNumber, 0.1)
    .option('--unmeasured', 'go on when the cost cannot be measured')
    .option('--tsa <url>', 'time stamp authority (RFC 3161) that attests the commitment')
    .option('--tsa-ca <file>', 'root certificates of the authority (PEM)')
    .option('--force', 'replace an existing output folder')
    .option('--data-root <dir>', 'follow links that stay below this folder');
  addExamples(command, [{ command: 'modelward embed model.onnx --eval test.npz --out marked', summary: 'mark only' }]);
  onAction<ProtectFlags>(host, command, async (context, flags, words) => {
    const path = context.toAbsolute(words[0]);
    const result = await embedModel(context.services, {
      path,
      out: context.toAbsolute(flags.out ?? `${parse(path).name}.marked`),
      keyUri: null,
      sealOnly: false,
      noMark: false,
      limitPoints: flags.limit,
      unmeasured: flags.unmeasured ?? false,
      force: flags.force ?? false,
      tau: flags.tau,
      tsaUrl: flags.tsa,
      ownerId: flags.owner,
      ...toPathOption(context, 'evalPath', flags.eval),
      ...toPathOption(context, 'tsaRootsPath', flags.tsaCa),
      ...toPathOption(context, 'dataRoot', flags.dataRoot),
    });
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ['marked', result.marked.path],
          ['claim', result.claim.path],
          ['commitment', `${result.commitment.path} (entry ${result.commitment.leafIndex})`],
          ['mark', `${result.mark.bits} bits, tau ${result.mark.tau}, in ${result.mark.weights} weights`],
          ['evidence', `${result.evidenceBits.toFixed(1)} bits read back`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
