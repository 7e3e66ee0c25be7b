/** The commands and their options; docs/cli.md and shell completion are made from this tree. */
import { Command } from 'commander';
import { addBaseline, addVerify } from './commands/baseline.ts';
import { addCompletion } from './commands/completion.ts';
import { addDetect, addDisclose } from './commands/detect.ts';
import { addDiff } from './commands/diff.ts';
import { addEmbed } from './commands/embed.ts';
import { addGraph } from './commands/graph/index.ts';
import { addInspect } from './commands/inspect.ts';
import { addKeys } from './commands/keys.ts';
import { addLabel } from './commands/label.ts';
import { addLedger } from './commands/ledger.ts';
import { addProtect } from './commands/protect.ts';
import { addRun } from './commands/run.ts';
import { addScan } from './commands/scan.ts';
import { addOpen, addSeal } from './commands/seal.ts';
import { addStamp } from './commands/stamp.ts';
import { addTour } from './commands/tour.ts';
import type { CommandHost } from './context.ts';

/** @param version printed by --version */
export function createProgram(host: CommandHost, version: string): Command {
  const program = new Command('modelward')
    .description('Mark, seal, record and verify trained AI models: detection and evidence, not prevention.')
    .version(version)
    .option('--json', 'print exactly one JSON object as the result')
    .option('--quiet', 'no progress and no notes; warnings and errors stay')
    .option(
      '--home <dir>',
      'folder of owner, keys, claims and ledger (default: $MODELWARD_HOME, else the state folder)',
    )
    .addHelpText('after', EXIT_CODES);
  addProtect(program, host);
  addEmbed(program, host);
  addDetect(program, host);
  addDisclose(program, host);
  addBaseline(program, host);
  addVerify(program, host);
  addDiff(program, host);
  addScan(program, host);
  addSeal(program, host);
  addOpen(program, host);
  addRun(program, host);
  addInspect(program, host);
  addLabel(program, host);
  addGraph(program, host);
  addStamp(program, host);
  addLedger(program, host);
  addKeys(program, host);
  addTour(program, host);
  addCompletion(program, host);
  return program;
}

const EXIT_CODES = `
Exit codes: 0 done · 1 findings · 2 wrong usage · 3 input malformed or refused · 4 not analysed or cannot tell ·
5 no key · 6 environment · 70 internal error · 130 interrupted`;
