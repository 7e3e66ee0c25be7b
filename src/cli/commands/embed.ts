/** `modelward embed`: the mark alone. */
import type { Command } from 'commander';
import { parse } from 'node:path';
import { EXIT } from '../../core/errors.ts';
import { embedModel } from '../../workflows/protect/embed.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import { addMarkOptions, type ProtectFlags, toProtectOptions, toRecipientPairs } from './protect.ts';

export function defineEmbed(command: Command, host: CommandHost): void {
  command
    .description(
      'Embeds the ownership mark into a copy, measures its cost, and writes claim, commitment and ledger entry. protect does this and more.',
    )
    .argument('<model>', 'ONNX, safetensors, GGUF or TFLite model')
    .option('-o, --out <dir>', 'folder to make (default: MODEL.marked in the current folder)');
  addMarkOptions(command);
  addExamples(command, [{ command: 'modelward embed model.onnx --eval test.npz --out marked', summary: 'mark only' }]);
  onAction<ProtectFlags>(host, command, async (context, flags, words) => {
    const model = words[0];
    const options = toProtectOptions(context, flags, { model, defaultOut: `${parse(model).name}.marked` });
    const result = await embedModel(context.services, options);
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ['marked', result.marked.path],
          ['claim', result.claim.path],
          ['commitment', `${result.commitment.path} (entry ${result.commitment.leafIndex})`],
          ['mark', `${result.mark.bits} bits, tau ${result.mark.tau}, in ${result.mark.weights} weights`],
          ...toRecipientPairs(result.recipient, flags.recipient),
          ['evidence', `${result.evidenceBits.toFixed(1)} bits read back`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
