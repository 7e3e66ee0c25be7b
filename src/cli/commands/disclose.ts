/** `modelward disclose`: the seed of a claim in the clear. */
import { type Command, Option } from 'commander';
import { EXIT } from '../../core/errors.ts';
import { SEED_PURPOSES, type SeedPurpose } from '../../watermark/seeds.ts';
import { discloseSeed } from '../../workflows/disclose.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction, withSession } from '../context.ts';
import { toPairs } from '../ui/table.ts';

export function defineDisclose(command: Command, host: CommandHost): void {
  command
    .description(
      'Writes one seed of a claim in the clear: with it and the claim, anybody reads suspects alone (detect --seed). No other seed is shown. Whoever has it can find what it belongs to and remove it, so disclose late and to few.',
    )
    .argument('<claim>', 'claim of this home')
    .requiredOption('-o, --out <file>', 'where to write; it must not exist')
    .addOption(
      new Option('--purpose <purpose>', 'which seed: own is that of the mark in the weights')
        .choices(SEED_PURPOSES)
        .default('own'),
    );
  addExamples(command, [
    { command: 'modelward disclose my.claim.json --out seed-for-the-court.json', summary: 'hand out with the claim' },
  ]);
  onAction<{ out: string; purpose: SeedPurpose }>(host, command, async (context, { out, purpose }, words) => {
    const done = await withSession(context, (session) =>
      Promise.resolve(
        discloseSeed(context.services, session, {
          claimPath: context.toAbsolute(words[0]),
          out: context.toAbsolute(out),
          purpose,
        }),
      ),
    );
    context.ui.warn('whoever has this file can find what it belongs to and remove it');
    context.ui.result(done, ({ style }) =>
      toPairs(
        [
          ['seed', done.path],
          ['purpose', done.purpose],
          ['commitment', done.commitment],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
