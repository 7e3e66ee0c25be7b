/** `modelward recipients verify`. */
import { type Command, Option } from 'commander';
import { CliError, EXIT, type ExitCode } from '../../../core/errors.ts';
import { type RecipientFinding, verifyRecipients } from '../../../workflows/recipients/verify.ts';
import { addExamples } from '../../command-spec.ts';
import { type CliContext, type CommandHost, onAction, toPathOption, withLazySession } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import type { TextLook } from '../../ui/ui.ts';
import { addOpenOptions, type OpenFlags, toOpenOptions } from '../model-options.ts';
import { toCodePairs } from './words.ts';

const VERDICTS: readonly RecipientFinding['verdict'][] = [
  'claim',
  'flag',
  'none',
  'inconclusive',
  'ambiguous',
  'unshown',
];

interface Flags extends OpenFlags {
  readonly claim: string;
  readonly annex: readonly string[];
  readonly seed: string;
  readonly original?: string;
  readonly name?: readonly string[];
  readonly proof?: readonly string[];
  readonly ledgerKey?: string;
  readonly tsaCa?: string;
  readonly expect?: RecipientFinding['verdict'];
}

export function defineVerify(command: Command, host: CommandHost): void {
  command
    .description(
      'For a judge, in an empty home: with the claim, the annexes of its register and the recipient seed that the owner disclosed, says the copy of which number a suspect is. As many recipients are counted as the highest number shown, and every number up to it is tried, so annexes that are held back make no evidence. A number is a person only as far as its name was opened and its annex was recorded before the suspect was known. Verdicts: claim (128 bits), flag (64), none, unshown and ambiguous (evidence, but nobody is named), inconclusive (exit 4).',
    )
    .argument('<suspect>', 'model to read')
    .requiredOption('--claim <file>', 'claim that the register hangs on')
    .requiredOption('--annex <files...>', 'annexes of the register, as many as the owner shows')
    .requiredOption('--seed <file>', 'recipient seed that the owner disclosed for the claim')
    .option('--original <file>', 'the unmarked original; without it the order of neurons is not read')
    .option('--name <files...>', 'files that open the salted names of annexes')
    .option('--proof <files...>', "proofs from the owner's ledger that annexes were recorded")
    .option('--ledger-key <text>', 'key of that ledger, as its owner publishes it')
    .option('--tsa-ca <file>', 'root certificates (PEM) of the authority that stamped the commitment')
    .addOption(new Option('--expect <verdict>', 'exit 1 when the verdict is another one').choices(VERDICTS));
  addOpenOptions(command);
  addExamples(command, [
    {
      command:
        'modelward recipients verify leaked.onnx --claim my.claim.json --original model.onnx --annex acme.annex.json --seed recipient.seed.json --name acme.recipient-name.json',
      summary: 'is it the copy of acme?',
    },
  ]);
  onAction<Flags>(host, command, async (context, flags, words) => {
    const options = toOptions(context, flags, words[0]);
    const finding = await withLazySession(context, (open) => verifyRecipients(context.services, open, options));
    context.ui.result(finding, (look) => toText(finding, look));
    return toExit(finding, flags.expect);
  });
}

function toOptions(context: CliContext, flags: Flags, suspect: string): Parameters<typeof verifyRecipients>[2] {
  const { proof = [], ledgerKey, name = [] } = flags;
  if (proof.length > 0 !== (ledgerKey !== undefined)) {
    throw new CliError('CLI_USAGE', { message: '--proof and --ledger-key go together.' });
  }
  const toAbsolute = (path: string): string => context.toAbsolute(path);
  return {
    ...toOpenOptions(context, flags, suspect),
    ...{ claimPath: toAbsolute(flags.claim), seedPath: toAbsolute(flags.seed) },
    ...{ annexPaths: flags.annex.map(toAbsolute), namePaths: name.map(toAbsolute), proofPaths: proof.map(toAbsolute) },
    ...(ledgerKey === undefined ? {} : { verifierKey: ledgerKey }),
    ...toPathOption(context, 'originalPath', flags.original),
    ...toPathOption(context, 'tsaRootsPath', flags.tsaCa),
  };
}

function toExit({ verdict }: RecipientFinding, expected: RecipientFinding['verdict'] | undefined): ExitCode {
  if (expected !== undefined) return verdict === expected ? EXIT.ok : EXIT.findings;
  return verdict === 'inconclusive' ? EXIT.cannotTell : EXIT.ok;
}

const VERDICT_WORDS: Readonly<Record<RecipientFinding['verdict'], string>> = {
  claim: 'It is the copy that was made for this number.',
  flag: 'It very probably is the copy that was made for this number; the evidence is below what a claim needs.',
  none: 'It shows the copy of no number up to the highest that was shown.',
  inconclusive: 'Cannot tell.',
  ambiguous: 'The number stands for more than one copy: nobody is named.',
  unshown: 'It is the copy of a number whose annex was not shown: nobody is named.',
  unreadable: 'The register cannot be read.',
};

function toText(finding: RecipientFinding, { style }: TextLook): string {
  const { verdict, number, id, evidenceBits, trials, annex, register } = finding;
  const pairs: [string, string][] = [
    ['evidence', `${evidenceBits.toFixed(1)} bits after ${toTrials(trials)} trials (claim: 128, flag: 64)`],
    ['number', number === null ? 'nobody is named' : `${number} of ${register.highest}`],
  ];
  if (number !== null) pairs.push(['recipient', id ?? 'no name was opened']);
  pairs.push(...toCodePairs(finding));
  if (annex !== null) {
    const { recorded } = annex;
    const entry =
      recorded === null ? 'not shown' : `entry ${recorded.leafIndex} of ${recorded.origin}, ${recorded.time}`;
    pairs.push(
      ['copy', finding.isReleasedCopy ? 'the very weights that were given away' : 'changed since it was given away'],
      ['recorded', entry],
    );
  }
  pairs.push(
    ['claim', `${finding.claim.commitment.slice(0, 16)}… by ${finding.claim.ownerId}`],
    ['committed', finding.time],
    ['register', `${register.shown} of ${register.highest} annexes shown`],
  );
  const notes = finding.notes.map((note) => `  note: ${note}\n`).join('');
  return `${style.bold(`verdict: ${verdict}`)}  ${VERDICT_WORDS[verdict]}\n${toPairs(pairs, style)}\n${notes}`;
}

/** In full as far as it can be read at a glance, else as a power of two. */
function toTrials(trials: number): string {
  return trials < 1e9 ? String(trials) : `2^${Math.log2(trials).toFixed(1)}`;
}
