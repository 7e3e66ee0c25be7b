/** `modelward ledger`: what was recorded, proofs for outsiders, and a full check. */
import type { Command } from 'commander';
import { EXIT } from '../../core/errors.ts';
import { toPrintable } from '../../core/printable.ts';
import { checkLedger, checkProof, listEntries, proveEntry } from '../../workflows/ledger.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';
import { addDeviceOption, type DeviceLedgerFlags, findKeeper, toLedgerServices } from './ledger-device.ts';
import { addCosign, addWitnessOptions, toAskedWitnesses, toCosignedText, type WitnessFlags } from './ledger-cosign.ts';
import { toNumber } from './values.ts';

export function defineLedger(ledger: Command, host: CommandHost): void {
  addShow(ledger, host);
  addProve(ledger, host);
  addVerify(ledger, host);
  addCheckpoint(ledger, host);
  addCosign(ledger, host);
  addFsck(ledger, host);
}

function addShow(ledger: Command, host: CommandHost): void {
  const command = ledger
    .command('show')
    .summary('print the newest entries')
    .option('--last <count>', 'how many', toNumber, 20);
  addDeviceOption(command);
  addExamples(command, [
    { command: 'modelward ledger show --last 5', summary: 'what happened last' },
    { command: 'modelward ledger show --device', summary: 'what this device opened by licence, and was refused' },
  ]);
  onAction<DeviceLedgerFlags & { last: number }>(host, command, async (context, { last, ...flags }) => {
    const summary = listEntries(await toLedgerServices(context, flags), Math.floor(last));
    context.ui.result(summary, ({ style, widthColumns }) =>
      toTable({
        columns: [
          { title: 'entry', align: 'right' },
          { title: 'time' },
          { title: 'type' },
          { title: 'actor' },
          { title: 'subject' },
          { title: 'detail', isFlexible: true },
        ],
        rows: summary.entries.map((entry) => [
          String(entry.seq),
          entry.ts,
          entry.type,
          entry.actor,
          entry.subject,
          JSON.stringify(entry.detail),
        ]),
        style,
        widthColumns,
      }),
    );
    return EXIT.ok;
  });
}

function addProve(ledger: Command, host: CommandHost): void {
  const command = ledger
    .command('prove')
    .summary('print the proof file of one entry')
    .description(
      'Prints the entry with a proof (c2sp.org/tlog-proof) that it is in the ledger: with the ledger key anybody can check it offline. The checkpoint in it is the oldest that witnesses cosigned and that covers the entry; without one it is the newest.',
    )
    .argument('<entry>', 'number of the entry');
  addWitnessOptions(addDeviceOption(command));
  addExamples(command, [
    { command: 'modelward ledger prove 3 > entry-3.tlog-proof', summary: 'an exhibit to hand out' },
  ]);
  onAction<WitnessFlags & DeviceLedgerFlags>(host, command, async (context, flags, words) => {
    const services = await toLedgerServices(context, flags);
    const proven = proveEntry(services, toNumber(words[0]), toAskedWitnesses(flags));
    context.ui.result(proven, () => proven.proof);
    return EXIT.ok;
  });
}

function addVerify(ledger: Command, host: CommandHost): void {
  const command = ledger
    .command('verify')
    .summary('check the proof file of an entry with the key of its ledger')
    .description(
      'Checks a file that "ledger prove" printed, as an outsider does: offline, without the ledger and without an owner. Compare the checkpoint that it prints with the one that was published: the date is as good as that copy, or as the witnesses that you name.',
    )
    .argument('<proof>', 'proof file')
    .requiredOption('--ledger-key <key>', 'verifier key of the ledger, as "keys show" and the report print it');
  addWitnessOptions(command);
  addExamples(command, [
    {
      command: "modelward ledger verify entry-3.tlog-proof --ledger-key 'modelward/…+…+…'",
      summary: 'what was recorded, and under which checkpoint',
    },
    {
      command:
        "modelward ledger verify entry-3.tlog-proof --ledger-key 'modelward/…+…+…' --witness-key 'witness.example/w1+…+…' 'w2.example+…+…' --witnesses 1",
      summary: 'only if one of two witnesses saw it',
    },
  ]);
  onAction<WitnessFlags & { ledgerKey: string }>(host, command, (context, { ledgerKey, ...flags }, words) => {
    const witnesses = toAskedWitnesses(flags);
    const path = context.toAbsolute(words[0]);
    const checked = checkProof(context.services, { path, verifierKey: ledgerKey, witnesses });
    context.ui.result(checked, ({ style }) => {
      const { origin, index, size, checkpoint, entry, cosignatures } = checked;
      const pairs = toPairs(
        [
          ['entry', `${index} of ${size} of ${origin}`],
          ['time', `${entry.ts}, by the clock of the ledger's owner`],
          ['type', entry.type],
          ['actor', entry.actor],
          ['subject', entry.subject],
          ...Object.entries(entry.digests).map(([name, digest]): [string, string] => [name, digest]),
          ['detail', JSON.stringify(entry.detail)],
          ...(cosignatures.length === 0 ? [] : [['cosigned', toCosignedText(cosignatures)] as [string, string]]),
        ],
        style,
      );
      // It comes from elsewhere: lines stay, nothing else of it moves the cursor.
      const lines = checkpoint.trimEnd().split('\n').map(toPrintable);
      return `proven\n${pairs}\n${lines.join('\n')}\n`;
    });
    return EXIT.ok;
  });
}

function addCheckpoint(ledger: Command, host: CommandHost): void {
  const command = ledger
    .command('checkpoint')
    .summary('print the newest signed checkpoint, to publish or to have stamped');
  addDeviceOption(command);
  addExamples(command, [{ command: 'modelward ledger checkpoint', summary: 'publish it where you cannot change it' }]);
  onAction<DeviceLedgerFlags>(host, command, async (context, flags) => {
    const { origin, size, checkpoint } = listEntries(await toLedgerServices(context, flags), 0);
    context.ui.result({ origin, size, checkpoint }, () => checkpoint);
    return EXIT.ok;
  });
}

function addFsck(ledger: Command, host: CommandHost): void {
  const command = ledger
    .command('fsck')
    .summary('recompute the whole ledger and list what does not fit')
    .description(
      'Recomputes every hash, tile and signature. Exit 1 when anything was edited, deleted, reordered or inserted. A history that its owner rewrote whole shows only against a checkpoint that somebody kept: name it with --known.',
    )
    .option('--known <file...>', 'checkpoints that were published or kept: each must be a beginning of this ledger');
  addWitnessOptions(addDeviceOption(command));
  addExamples(command, [
    { command: 'modelward ledger fsck', summary: 'check the record' },
    { command: 'modelward ledger fsck --known checkpoint-of-march.txt', summary: 'also against what was published' },
    { command: 'modelward ledger fsck --device', summary: 'of this device, under its own key' },
  ]);
  type Flags = WitnessFlags & DeviceLedgerFlags & { readonly known?: readonly string[] };
  onAction<Flags>(host, command, async (context, { known = [], ...flags }) => {
    const knownPaths = known.map((path) => context.toAbsolute(path));
    const asked = { knownPaths, witnesses: toAskedWitnesses(flags), keeper: await findKeeper(context, flags) };
    const report = await checkLedger(await toLedgerServices(context, flags), asked);
    context.ui.result(report, ({ style }) => {
      const pairs: [string, string][] = [
        ['entries', String(report.size ?? 'unknown')],
        ['root', report.root ?? 'unknown'],
      ];
      if (report.cosigned !== null) {
        pairs.push(['cosigned', `${report.cosigned.size} entries by ${toCosignedText(report.cosigned.cosignatures)}`]);
      }
      if (report.unfinished.length > 0) pairs.push(['note', 'a batch that a killed process left was completed']);
      const lines = report.findings.map((finding) => `  ${JSON.stringify(finding)}\n`).join('');
      const head = report.findings.length === 0 ? 'nothing was changed' : 'the ledger was changed';
      return `${head}\n${toPairs(pairs, style)}${lines}`;
    });
    return report.findings.length === 0 ? EXIT.ok : EXIT.findings;
  });
}
