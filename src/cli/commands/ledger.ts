/** `modelward ledger`: what was recorded, proofs for outsiders, and a full check. */
import type { Command } from 'commander';
import { EXIT } from '../../core/errors.ts';
import { checkLedger, listEntries, proveEntry } from '../../workflows/ledger.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';
import { toNumber } from './protect.ts';

export function defineLedger(ledger: Command, host: CommandHost): void {
  addShow(ledger, host);
  addProve(ledger, host);
  addCheckpoint(ledger, host);
  addFsck(ledger, host);
}

function addShow(ledger: Command, host: CommandHost): void {
  const command = ledger
    .command('show')
    .summary('print the newest entries')
    .option('--last <count>', 'how many', toNumber, 20);
  addExamples(command, [{ command: 'modelward ledger show --last 5', summary: 'what happened last' }]);
  onAction<{ last: number }>(host, command, (context, { last }) => {
    const summary = listEntries(context.services, Math.floor(last));
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
        ...(widthColumns === undefined ? {} : { widthColumns }),
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
      'Prints a proof (c2sp.org/tlog-proof) that an entry is in the ledger: with the entry and the ledger key anybody can check it offline.',
    )
    .argument('<entry>', 'number of the entry');
  addExamples(command, [
    { command: 'modelward ledger prove 3 > entry-3.tlog-proof', summary: 'an exhibit to hand out' },
  ]);
  onAction<object>(host, command, (context, _flags, words) => {
    const proven = proveEntry(context.services, toNumber(words[0]));
    context.ui.result(proven, () => proven.proof);
    return EXIT.ok;
  });
}

function addCheckpoint(ledger: Command, host: CommandHost): void {
  const command = ledger
    .command('checkpoint')
    .summary('print the newest signed checkpoint, to publish or to have stamped');
  addExamples(command, [{ command: 'modelward ledger checkpoint', summary: 'publish it where you cannot change it' }]);
  onAction<object>(host, command, (context) => {
    const { origin, size, checkpoint } = listEntries(context.services, 0);
    context.ui.result({ origin, size, checkpoint }, () => checkpoint);
    return EXIT.ok;
  });
}

function addFsck(ledger: Command, host: CommandHost): void {
  const command = ledger
    .command('fsck')
    .summary('recompute the whole ledger and list what does not fit')
    .description(
      'Recomputes every hash, tile and signature. Exit 1 when anything was edited, deleted, reordered or inserted.',
    );
  addExamples(command, [{ command: 'modelward ledger fsck', summary: 'check the record' }]);
  onAction<object>(host, command, async (context) => {
    const report = await checkLedger(context.services);
    context.ui.result(report, ({ style }) => {
      const pairs: [string, string][] = [
        ['entries', String(report.size ?? 'unknown')],
        ['root', report.root ?? 'unknown'],
      ];
      if (report.unfinished.length > 0) pairs.push(['note', 'a batch that a killed process left was completed']);
      const lines = report.findings.map((finding) => `  ${JSON.stringify(finding)}\n`).join('');
      const head = report.findings.length === 0 ? 'nothing was changed' : 'the ledger was changed';
      return `${head}\n${toPairs(pairs, style)}${lines}`;
    });
    return report.findings.length === 0 ? EXIT.ok : EXIT.findings;
  });
}
