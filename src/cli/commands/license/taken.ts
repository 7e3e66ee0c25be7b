/** What a device heard from its vendor: a newer licence is kept, and all is told alike, however the answer came. */
import { toIso } from '../../../license/index.ts';
import type { TakenAnswer } from '../../../workflows/license/index.ts';
import { writeOutput } from '../../../workflows/write-bytes.ts';
import type { Services } from '../../../workflows/services.ts';
import type { CliContext } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';

/** @param out where a newer licence goes; without it, it is kept with the device alone */
export function tellTaken(
  context: CliContext,
  services: Pick<Services, 'storage'>,
  { file, leaseEndSec, standing }: TakenAnswer,
  out: string | undefined,
): void {
  if (file !== null && out !== undefined) writeOutput(services, context.toAbsolute(out), file);
  const leaseEnd = leaseEndSec === null ? null : toIso(leaseEndSec);
  context.ui.result({ standing, leaseEnd, isRenewed: file !== null }, ({ style }) =>
    toPairs(
      [
        ['standing', standing],
        ['licence', file === null ? 'as before' : 'renewed'],
        ['seat', leaseEnd === null ? '-' : `until ${leaseEnd}`],
      ],
      style,
    ),
  );
}
