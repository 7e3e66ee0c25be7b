/** `modelward recipients show`. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { type ListedRecipient, showRecipient } from '../../../workflows/recipients/list.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withLazySession } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';

export function defineShow(command: Command, host: CommandHost): void {
  command
    .description('Shows one recipient: which copy they were given, what in it names them, and where that was recorded.')
    .argument('<recipient>', 'ID or number')
    .option('--claim <file>', 'only the register of this claim (default: every claim of the home)');
  addExamples(command, [{ command: 'modelward recipients show acme', summary: 'by the ID that was given' }]);
  onAction<{ claim?: string }>(host, command, async (context, flags, words) => {
    const recipients = await withLazySession(context, (open) =>
      Promise.resolve(
        showRecipient(context.services, open, {
          who: words[0],
          ...toPathOption(context, 'claimPath', flags.claim),
        }),
      ),
    );
    context.ui.result({ recipients }, ({ style }) => recipients.map((one) => toPairs(toLines(one), style)).join('\n'));
    return EXIT.ok;
  });
}

function toLines(one: ListedRecipient): [string, string][] {
  const { number, id, codes, channels, recorded } = one;
  const order = codes.includes('order') ? `order of ${channels} neurons` : null;
  const payload = codes.includes('payload') ? 'payload in the weights' : null;
  return [
    ['recipient', `${id ?? '(not known here)'} (number ${number})`],
    ['named by', [order, payload].filter((code) => code !== null).join(', ')],
    ['original', one.originalDigest],
    ['copy', one.releasedDigest],
    ['claim', one.commitment],
    ['annex', one.annex],
    ['name file', one.nameFile ?? 'not here'],
    ['recorded', recorded === null ? 'not in the ledger' : `entry ${recorded.leafIndex}, ${recorded.time}`],
  ];
}
