/** `modelward apikey rotate` and `revoke`. */
import { type Command, Option } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { revokeApiKey, rotateApiKey } from '../../../workflows/gateway/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { toDuration } from '../license/flags.ts';
import { addDeliveryOptions, type DeliveryFlags, deliverKey } from './delivery.ts';
import { addDeskOptions, type DeskFlags, withDesk } from './flags.ts';

interface RotateFlags extends DeskFlags, DeliveryFlags {
  readonly overlap: number;
}

export function defineRotate(command: Command, host: CommandHost): void {
  command
    .description(
      'Draws a second secret for a key. Both are valid during the overlap, so that the customer can change over without a failed request; id, terms, limits and what was used stay.',
    )
    .argument('<id>', 'id of the key, such as k_0123456789abcdef')
    .addOption(
      new Option('--overlap <time>', 'how long the older secret stays valid; 0 ends it now')
        .argParser(toDuration)
        .default(7 * 86_400, '7d'),
    );
  addDeliveryOptions(command);
  addDeskOptions(command);
  addExamples(command, [
    { command: 'modelward apikey rotate k_0123456789abcdef --overlap 24h', summary: 'both are valid for a day' },
    { command: 'modelward apikey rotate k_0123456789abcdef --overlap 0', summary: 'the older one was seen by others' },
  ]);
  onAction<RotateFlags>(host, command, (context, flags, words) =>
    deliverKey(context, flags, (deliver) =>
      withDesk(context, flags, (desk) => rotateApiKey(desk, { id: words[0], overlapSec: flags.overlap }, deliver)),
    ),
  );
}

export function defineRevoke(command: Command, host: CommandHost): void {
  command
    .description('Ends a key for good. Gateways that read the same table refuse it within a second.')
    .argument('<id>', 'id of the key');
  addDeskOptions(command);
  addExamples(command, [{ command: 'modelward apikey revoke k_0123456789abcdef', summary: 'for good' }]);
  onAction<DeskFlags>(host, command, async (context, flags, words) => {
    const { record, leafIndex } = await withDesk(context, flags, (desk) => revokeApiKey(desk, words[0]));
    const { id, name } = record;
    context.ui.result({ id, name, standing: 'revoked', leafIndex }, ({ style }) =>
      toPairs(
        [
          ['key', id],
          ['name', name],
          ['standing', 'revoked'],
          ['ledger', `entry ${leafIndex}`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
