/** `modelward tour`: the whole protection of the bundled model, step by step; `npm start` runs it. */
import type { Command } from 'commander';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CliError, EXIT } from '../../core/errors.ts';
import { toReportText } from '../../report/index.ts';
import { detect, type DetectReport } from '../../workflows/detect.ts';
import { checkLedger } from '../../workflows/ledger.ts';
import { openSealed, type OpenSealedResult } from '../../workflows/open-sealed.ts';
import type { Protected } from '../../workflows/protect/options.ts';
import { verifyModel, type VerifyModelReport } from '../../workflows/verify.ts';
import { addExamples } from '../command-spec.ts';
import { type CliContext, type CommandHost, onAction, withSession } from '../context.ts';
import { runProtect } from './protect.ts';
import { toCountWithin } from './values.ts';

const SAMPLES = fileURLToPath(new URL('../../../samples', import.meta.url));

interface TourFlags {
  readonly out: string;
  readonly model: string;
  readonly serve: boolean;
  readonly port: number;
}

interface TourResult extends Protected {
  readonly detected: DetectReport;
  readonly unmarked: DetectReport;
  readonly verified: VerifyModelReport;
  readonly opened: OpenSealedResult;
  readonly ledgerFindings: number;
}

export function defineTour(command: Command, host: CommandHost): void {
  command
    .description(
      'Protects a small trained model that comes with the package, then reads the mark back, verifies the baseline, opens the sealed copy and checks the ledger, and serves the sealed copy over TLS until it is told to stop. npm start runs this.',
    )
    .option('-o, --out <dir>', 'folder to write into', join('.modelward', 'out'))
    .option('--model <name>', 'bundled model: mlp, cnn, cnn-large or transformer', 'cnn')
    .option('--no-serve', 'end when the work is done')
    .option(
      '--port <number>',
      'port at which the sealed model is served in the end; 0 for a free one',
      toCountWithin(0, 65_535),
      8443,
    );
  addExamples(command, [{ command: 'modelward tour --model transformer', summary: 'the same with another model' }]);
  onAction<TourFlags>(host, command, async (context, flags) => {
    const { serveSealed } = await import('./serve/sealed.ts');
    const tour = await runTour(context, flags);
    assertTour(tour);
    const { result, report, ...rest } = tour;
    context.ui.result({ ...result, ...rest }, ({ style, widthColumns }) => {
      const text = toReportText(report, { width: widthColumns, color: style.bold('x') !== 'x' });
      return `${text}\n${toClosing(context, tour)}`;
    });
    if (!flags.serve || flags.json === true) return EXIT.ok;
    return serveSealed(context, {
      ...{ name: flags.model, sealedPath: result.sealed.path, port: flags.port },
      ...{ folder: join(context.toAbsolute(flags.out), 'gateway'), imagesPath: join(SAMPLES, 'eval-images.npy') },
    });
  });
}

async function runTour(context: CliContext, flags: TourFlags): Promise<TourResult> {
  const { services, ui } = context;
  const folder = context.toAbsolute(flags.out);
  const source = join(SAMPLES, `${flags.model}.onnx`);
  ui.note(`\n1. Protect ${flags.model}.onnx: mark, commit, sign, seal, record`);
  const made = await runProtect(
    context,
    { out: join(folder, flags.model), eval: join(SAMPLES, 'eval.npz'), mark: true, limit: 0.1, force: true },
    source,
  );
  const path = made.result.marked?.path ?? '';
  return withSession(context, async (session) => {
    ui.note('\n2. Read the mark back, from the marked copy and from the unmarked original');
    const detected = await detect(services, () => session, { path, claimPath: made.result.claim?.path });
    const unmarked = await detect(services, () => session, { path: source, claimPath: made.result.claim?.path });
    ui.note('\n3. Compare the marked copy with its signed baseline');
    const verified = await verifyModel(services, session, { path, baselinePath: made.result.baseline.path });
    ui.note('\n4. Open the sealed copy, with the key use recorded first');
    const out = resolve(folder, `${flags.model}.opened`);
    const opened = await openSealed(services, session, {
      path: made.result.sealed.path,
      out,
      keyUri: null,
      force: true,
    });
    ui.note('\n5. Recompute the ledger');
    const { findings } = await checkLedger(services);
    return { ...made, detected, unmarked, verified, opened, ledgerFindings: findings.length };
  });
}

/** The tour is a promise about the product: it ends in an error when a step did not give what it should. */
function assertTour(tour: TourResult): void {
  const { result, detected, unmarked, verified, opened, ledgerFindings } = tour;
  const isWell =
    detected.verdict === 'claim' &&
    unmarked.verdict === 'none' &&
    verified.verdict === 'unchanged' &&
    opened.files[0].sha256 === result.marked?.sha256 &&
    ledgerFindings === 0;
  if (isWell) return;
  throw new CliError('CLI_TOUR_FAILED', {
    fields: {
      marked: detected.verdict,
      unmarked: unmarked.verdict,
      baseline: verified.verdict,
      opened: opened.files[0].sha256,
      ledgerFindings,
    },
  });
}

function toClosing({ services }: CliContext, tour: TourResult): string {
  const { detected, unmarked, verified, result } = tour;
  return [
    `Read back     marked copy: ${detected.verdict} (${detected.evidenceBits.toFixed(0)} bits); original: ${unmarked.verdict} (${unmarked.evidenceBits.toFixed(0)} bits)`,
    `Baseline      ${verified.verdict}`,
    'Sealed copy   opens to the same bytes',
    `Ledger        ${services.home.ledgerFolder}: nothing was changed`,
    '',
    `Report        ${result.report.path}`,
    '',
  ].join('\n');
}
