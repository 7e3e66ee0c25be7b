/** What the commands on triggers share: which claim, which set, and the words for what was found. */
import type { Command } from 'commander';
import type { TriggersReport } from '../../../workflows/trigger/verify.ts';
import { type CliContext, toPathOption } from '../../context.ts';

export interface ChooseFlags {
  readonly claim?: string;
  readonly annex?: string;
  readonly seed?: string;
}

export function addChooseOptions(command: Command): Command {
  return command
    .option('--claim <file>', 'claim that the triggers belong to (default: every claim of the home)')
    .option('--annex <file>', 'the annex of one set (default: every set of the home; each is one more trial)')
    .option('--seed <file>', 'trigger seed that the owner disclosed: reads without the owner key');
}

/** Absolute paths of what was given. */
export function toChooseOptions(
  context: CliContext,
  flags: ChooseFlags,
): {
  readonly claimPath?: string;
  readonly annexPath?: string;
  readonly seedPath?: string;
} {
  return {
    ...toPathOption(context, 'claimPath', flags.claim),
    ...toPathOption(context, 'annexPath', flags.annex),
    ...toPathOption(context, 'seedPath', flags.seed),
  };
}

export const TRIGGER_VERDICTS: Readonly<Record<TriggersReport['verdict'], string>> = {
  claim: 'The suspect knows the triggers.',
  flag: 'The suspect very probably knows the triggers; the evidence is below what a claim needs.',
  supporting: 'Supporting evidence: more than chance, and below what a flag needs.',
  none: 'The triggers were not found. A copy that was fine-tuned or distilled has lost them.',
  inconclusive: 'Cannot tell.',
};
