/** The summary of a protection as lines for a terminal. */
import { toColumns, toFitting, toPadded, toWrapped } from '../core/columns.ts';
import { toPrintable } from '../core/printable.ts';
import { toByteText, toCountText, toDurationText, toSmallPercentText } from '../core/quantities.ts';
import { createStyle, type Style } from '../core/style.ts';
import { toAttentionPoints } from './attention.ts';
import { CLAIM_BITS } from './chart-evidence.ts';
import { toAccuracyText, toSignedText } from './numbers.ts';
import { toCodeText } from './recipient-body.ts';
import { ROLE_TITLES } from './section.ts';
import type { ProtectReport, ReportFidelity, ReportTsa } from './types.ts';

export interface ReportTextOptions {
  /** Columns to fit into; undefined never cuts. */
  readonly width: number | undefined;
  readonly color: boolean;
}

const NAME_COLUMNS = 14;
const INDENT = '  ';

/**
 * The owner's summary: what was done, what it cost, the files, and what must be known. Names are made harmless.
 * @returns lines that end in "\n"
 */
export function toReportText(report: ProtectReport, { width, color }: ReportTextOptions): string {
  const style = createStyle(color);
  const { model } = report;
  const title = `${style.bold(toPrintable(model.name))} ${style.dim(`(${toPrintable(model.format)}, ${toCountText(model.parameters)} parameters)`)}`;
  return [
    `${style.green('Protected')} ${title}`,
    '',
    ...toRows(report).flatMap(([name, value]) => toRow(name, value, width, style)),
    '',
    ...toFileLines(report, width, style),
    ...toAttentionLines(report, width, style),
    '',
  ].join('\n');
}

function toTsaText({ url, time, isTrusted }: ReportTsa): string {
  return isTrusted ? `${time} by ${url}` : `${time} by ${url}, whose certificate was not checked`;
}

function toRows(report: ProtectReport): [string, string][] {
  const { mark, evidence, recipient, commitment, key, ledger } = report;
  const rows: [string, string][] = [['mark', toMarkText(mark)]];
  if (evidence !== null) {
    const errors = `${evidence.bitErrors} of ${evidence.bits} bits wrong`;
    rows.push([
      'evidence',
      `${evidence.evidenceBits.toFixed(1)} bits (a claim needs ${CLAIM_BITS}); read back: ${errors}`,
    ]);
  }
  if (recipient !== null) {
    rows.push(['recipient', `${recipient.id} (number ${recipient.number}): ${toCodeText(recipient)}`]);
  }
  rows.push(['fidelity', toFidelityText(report.fidelity)]);
  if (commitment !== null) {
    const entry = commitment.leafIndex === null ? '' : `, entry ${commitment.leafIndex} of the ledger`;
    rows.push(['commitment', `${commitment.hash.slice(0, 16)}…${entry}`]);
    rows.push(['time', commitment.tsa === null ? 'attested only by the owner' : toTsaText(commitment.tsa)]);
  }
  if (ledger !== null) rows.push(['ledger', `${ledger.origin}, ${toCountText(ledger.size)} entries`]);
  if (key !== null) rows.push(['key', key.note === null ? key.scheme : `${key.scheme} (${key.note})`]);
  const totalMs = report.timings.reduce((sum, { seconds }) => sum + seconds, 0) * 1000;
  const memory = report.peakRssMib === null ? '' : `, ${toByteText(report.peakRssMib * 2 ** 20)} of memory`;
  if (totalMs > 0) rows.push(['took', `${toDurationText(totalMs)}${memory}`]);
  return rows;
}

function toMarkText(mark: ProtectReport['mark']): string {
  if (mark.kind === 'none') return `none: ${mark.reason}`;
  const change = toSmallPercentText(mark.relativeDistortion);
  return `${mark.bits} bits in ${toCountText(mark.weights)} weights, tau ${mark.tau}, which moved by ${change} of their spread`;
}

function toFidelityText(fidelity: ReportFidelity): string {
  if (fidelity.kind === 'unmeasured') return `not measured: ${fidelity.reason}`;
  const samples = `${toCountText(fidelity.samples)} ${fidelity.lossPoints === null ? 'probes' : 'samples'}`;
  const agreement =
    fidelity.argmaxAgreement === null ? '' : `, same answer on ${toAccuracyText(fidelity.argmaxAgreement)}`;
  if (fidelity.lossPoints === null) {
    const moved =
      fidelity.relativeL2 === null ? 'cannot be compared' : `moved by ${toSmallPercentText(fidelity.relativeL2)}`;
    return `no labels; outputs ${moved} on ${samples}${agreement} (${fidelity.runtime})`;
  }
  const { estimate, lower95, upper95, limit } = fidelity.lossPoints;
  // A loss above the limit passes when so few samples cannot show it: the line must not read as a broken limit.
  const judged = upper95 <= limit ? 'within' : lower95 > limit ? 'beyond' : 'not shown to exceed';
  const interval = `95 %: ${toSignedText(lower95, 2)} to ${toSignedText(upper95, 2)}, ${judged} the limit of ${limit}`;
  return `lost ${toSignedText(estimate, 2)} points of accuracy (${interval}) on ${samples}${agreement} (${fidelity.runtime})`;
}

function toRow(name: string, value: string, width: number | undefined, style: Style): string[] {
  const head = INDENT + style.dim(toPadded(name, NAME_COLUMNS));
  const columns = Math.max(20, (width ?? Number.POSITIVE_INFINITY) - INDENT.length - NAME_COLUMNS);
  return toWrapped(toPrintable(value), columns).map((line, index) =>
    index === 0 ? head + line : ' '.repeat(INDENT.length + NAME_COLUMNS) + line,
  );
}

function toFileLines(report: ProtectReport, width: number | undefined, style: Style): string[] {
  return report.files.map((file) => {
    const name = INDENT + style.dim(toPadded(ROLE_TITLES[file.role].toLowerCase(), NAME_COLUMNS));
    const size = file.sizeBytes === null ? '' : toByteText(file.sizeBytes);
    const tail = [size, file.plaintext ? 'plaintext' : ''].filter((part) => part !== '').join(', ');
    const room = (width ?? Number.POSITIVE_INFINITY) - INDENT.length - NAME_COLUMNS - toColumns(tail) - 3;
    const path = toFitting(toPrintable(file.path), Math.max(12, room));
    return `${name}${path}${tail === '' ? '' : ` ${style.dim(`(${tail})`)}`}`;
  });
}

function toAttentionLines(report: ProtectReport, width: number | undefined, style: Style): string[] {
  const columns = Math.max(20, (width ?? Number.POSITIVE_INFINITY) - INDENT.length);
  const points = toAttentionPoints(report, 'owner').flatMap(({ title, text }) => {
    const lines = toWrapped(toPrintable(`${title}. ${toTerminalText(text)}`), columns);
    return lines.map((line, index) => (index === 0 ? `${style.yellow('!')} ${line}` : INDENT + line));
  });
  const checkpoint = report.commitment?.timestamped === false ? report.commitment.checkpoint : null;
  const published =
    checkpoint === null
      ? []
      : [
          '',
          `${INDENT}${style.dim('checkpoint to publish')}`,
          ...checkpoint
            .trimEnd()
            .split('\n')
            .map((line) => INDENT + toPrintable(line)),
        ];
  return points.length + published.length === 0 ? [] : ['', ...points, ...published];
}

/** Attention points speak of sections of the page. */
function toTerminalText(text: string): string {
  return text
    .replaceAll(/\b(of|in) section \d/g, '$1 the report')
    .replaceAll(/\bSection \d lists/g, 'The report lists');
}
