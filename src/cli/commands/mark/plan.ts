/** `modelward mark plan`: the mark of a model that is still to be trained. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parse } from 'node:path';
import { EXIT } from '../../../core/errors.ts';
import type { MarkBits } from '../../../watermark/index.ts';
import { PLAN_FORMATS, type PlanFormat, planModelMark } from '../../../workflows/plan/plan-mark.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withSession } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { addDataRootOption, type DataRootFlags } from '../model-options.ts';
import { toNumber } from '../values.ts';

interface PlanFlags extends DataRootFlags {
  readonly out?: string;
  readonly owner?: string;
  readonly tau?: number;
  readonly bits?: MarkBits;
  readonly format?: PlanFormat;
  readonly force?: boolean;
}

export function definePlan(command: Command, host: CommandHost): void {
  command
    .description(
      'Plans the ownership mark of a model before it is trained: commits to it, and writes for every weight which bit it serves and with which sign, what the bits say, and ten lines of PyTorch that add the mark to the loss. The trained model is read with "modelward detect" and the claim that is made here. The plan is the key: keep it as secret as the owner key.',
    )
    .argument('<model>', 'the model as training starts from it: ONNX or safetensors, exported untrained or pretrained')
    .option('-o, --out <dir>', 'folder to make (default: MODEL.plan in the current folder)')
    .option('--owner <id>', 'name of the owner; fixed on first use')
    .option('--tau <number>', 'margin to train for, in (0, 1] (default: 0.125)', toTau)
    .option('--bits <number>', '256, 512 or 1024 (default: 256 below a million weights, else 1024)', toBits)
    .addOption(new Option('--format <name>', 'how the plan is written (default: safetensors)').choices(PLAN_FORMATS))
    .option('--force', 'replace an existing output folder');
  addDataRootOption(command);
  addExamples(command, [
    { command: 'modelward mark plan untrained.onnx --out plan', summary: 'then train with plan/recipe.py' },
  ]);
  onAction<PlanFlags>(host, command, async (context, flags, words) => {
    const out = context.toAbsolute(flags.out ?? `${parse(words[0]).name}.plan`);
    const { tau, bits, format, force = false } = flags;
    const result = await withSession(
      context,
      (session) =>
        planModelMark(context.services, session, {
          path: context.toAbsolute(words[0]),
          ...{ out, tau, bits, format, force },
          ...toPathOption(context, 'dataRoot', flags.dataRoot),
        }),
      flags.owner,
    );
    context.ui.warn('whoever has the plan can find the mark and remove it');
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ['plan', result.plan.path],
          ['recipe', result.recipe],
          ['claim', result.claim],
          ['recorded', `entry ${result.leafIndex}`],
          [
            'mark',
            `${result.bits} bits, tau ${result.tau}, in ${result.weights} weights of ${result.layers.length} layers`,
          ],
          ['after training', `modelward detect TRAINED --claim ${result.claim}`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}

function toTau(text: string): number {
  const value = toNumber(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError('Not a number in (0, 1].');
}

function toBits(text: string): MarkBits {
  const value = Number(text);
  if (value === 256 || value === 512 || value === 1024) return value;
  throw new InvalidArgumentError('Not 256, 512 or 1024.');
}
