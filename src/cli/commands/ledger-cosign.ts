/** `modelward ledger cosign`, and the options by which other commands are told of witnesses. */
import type { Command } from 'commander';
import { EXIT } from '../../core/errors.ts';
import { toPrintable } from '../../core/printable.ts';
import type { AskedWitnesses } from '../../workflows/ledger.ts';
import { cosignLedger } from '../../workflows/witness/cosign.ts';
import { addExamples } from '../command-spec.ts';
import { openWitnessLink } from '../compose.ts';
import { type CommandHost, onAction } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import { addDeviceOption, type DeviceLedgerFlags, toLedgerServices } from './ledger-device.ts';
import { toCountWithin } from './values.ts';

export interface WitnessFlags {
  readonly witnessKey?: readonly string[];
  readonly witnesses?: number;
}

/** `--witness-key` and `--witnesses`. */
export function addWitnessOptions(command: Command): Command {
  return command
    .option('--witness-key <key...>', 'verifier keys of witnesses, as those who run them publish them')
    .option('--witnesses <count>', 'how many of them are enough (default: all that are named)', toCountWithin(0, 100));
}

/** Undefined when no witness was named. */
export function toAskedWitnesses({ witnessKey, witnesses }: WitnessFlags): AskedWitnesses | undefined {
  return witnessKey === undefined && witnesses === undefined
    ? undefined
    : { keys: witnessKey ?? [], required: witnesses };
}

/** "witness.example/w1 at 2026-01-01T00:00:00.000Z" for each. */
export function toCosignedText(cosignatures: readonly { name: string; timeSeconds: number }[]): string {
  return cosignatures
    .map(({ name, timeSeconds }) => `${toPrintable(name)} at ${new Date(timeSeconds * 1000).toISOString()}`)
    .join(', ');
}

interface CosignFlags {
  readonly witness: string;
  readonly witnessKey: string;
  readonly ca?: string;
}

export function addCosign(ledger: Command, host: CommandHost): void {
  const command = ledger
    .command('cosign')
    .summary('have the newest checkpoint cosigned by a witness')
    .description(
      'Sends the newest checkpoint, with the proof that the ledger only grew, to a witness (c2sp.org/tlog-witness), and keeps its cosignature in the ledger folder; "ledger prove" then gives proofs under a cosigned checkpoint. No entry is sent. Run it for each witness, at the pace at which records shall be dated. Exit 1 when the witness knows another history.',
    )
    .requiredOption('--witness <url>', 'address of the witness: https, or http at 127.0.0.1 or [::1]')
    .requiredOption('--witness-key <key>', 'its verifier key, as those who run it publish it')
    .option('--ca <file>', 'authorities to trust instead of those of the system, PEM');
  addDeviceOption(command);
  addExamples(command, [
    {
      command: "modelward ledger cosign --witness https://witness.example:8445 --witness-key 'witness.example/w1+…+…'",
      summary: 'from a timer, each hour',
    },
  ]);
  onAction<CosignFlags & DeviceLedgerFlags>(host, command, async (context, { witness, witnessKey, ca, ...flags }) => {
    const caPem = ca === undefined ? undefined : context.services.storage.read(context.toAbsolute(ca));
    const link = await openWitnessLink({ url: witness, caPem });
    const cosigned = await cosignLedger(await toLedgerServices(context, flags), { link, witnessKey });
    context.ui.result(cosigned, ({ style }) =>
      toPairs(
        [
          ['origin', cosigned.origin],
          ['entries', String(cosigned.size)],
          ['witness', cosigned.witness],
          ['cosigned', `${cosigned.cosignedAt}, by the clock of the witness`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
