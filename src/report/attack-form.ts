/**
 * The battery in the form of IEEE 3304-2023 (MPAI-NNW): imperceptibility, robustness, detection errors, symbol errors and
 * cost, each for every modification. The standard gives the method, and no bars to pass.
 */
import type { AttackRecord, RunRow } from './attack-record.ts';
import { isRun, isSkipped } from './attack-page.ts';
import { FLAG_BITS } from './chart-evidence.ts';

const line = (...cells: readonly (string | number)[]): string => `| ${cells.map(toCell).join(' | ')} |`;
const rule = (columns: number): string => line(...Array<string>(columns).fill('---'));
const toCell = (cell: string | number): string =>
  String(cell)
    .replaceAll('|', '\\|')
    .replaceAll(/[\r\n]+/g, ' ');
const toPercent = (share: number | null): string => (share === null ? '-' : (100 * share).toFixed(2));

/** Markdown that ends in a line end. */
export function toAttackForm(record: AttackRecord): string {
  const ran = record.rows.filter(isRun);
  const parts = [
    `# Robustness of the mark in ${toCell(record.model)}`,
    `Form of IEEE 3304-2023 (MPAI-NNW). One model, one payload: M = 1, D = 1. Claim ${record.claim.commitment}, owner ${toCell(record.claim.ownerId)}, seed ${toCell(record.seed)}, Modelward ${record.toolVersion}.`,
    ...toQuality(record, ran),
    ...toErrors(record, ran),
    ...toModifications(ran),
    ...toCost(ran),
    ...toSkipped(record),
  ];
  return `${parts.join('\n\n')}\n`;
}

function toQuality({ original, evaluation }: AttackRecord, ran: readonly RunRow[]): string[] {
  const marked = ran.find(({ attack }) => attack === 'none')?.accuracy ?? null;
  if (evaluation === null) return ['## Quality', 'Not measured: no evaluation data was given.'];
  return [
    '## Quality',
    `Accuracy on ${evaluation.samples} samples (${toCell(evaluation.words)}, ${toCell(evaluation.runtime)}).`,
    [
      line('model', 'accuracy %'),
      rule(2),
      line('unmarked original', toPercent(original?.accuracy ?? null)),
      line('marked', toPercent(marked)),
    ].join('\n'),
  ];
}

/** False positives on what is not marked, misses on what is. */
function toErrors({ original }: AttackRecord, ran: readonly RunRow[]): string[] {
  const expected = ran.filter(({ isLossExpected }) => isLossExpected);
  const others = ran.filter(({ isLossExpected }) => !isLossExpected);
  const countMissed = (rows: readonly RunRow[]): number =>
    rows.filter(({ evidenceBits }) => evidenceBits < FLAG_BITS).length;
  const falsePositives = original === null ? '-' : String(Number(original.evidenceBits >= FLAG_BITS));
  return [
    '## Detection errors',
    [
      line('measure', 'count', 'of'),
      rule(3),
      line('false positives: the unmarked original read with the key', falsePositives, original === null ? 0 : 1),
      line('misses: modified copies below 64 bits', countMissed(others), others.length),
      line('misses where the loss is expected', countMissed(expected), expected.length),
    ].join('\n'),
    'The false-positive rate of a flag is at most 2^-64 for every model that does not depend on the key; it is bounded, not estimated.',
  ];
}

function toModifications(ran: readonly RunRow[]): string[] {
  return [
    '## Robustness',
    [
      line('modification', 'strength', 'accuracy %', 'symbol errors', 'symbols', 'evidence (bits)', 'verdict'),
      rule(7),
      ...ran.map(({ title, strength, accuracy, bitErrors, bits, evidenceBits, verdict, isLossExpected }) =>
        line(
          title,
          strength,
          toPercent(accuracy),
          bitErrors,
          bits,
          evidenceBits.toFixed(1),
          isLossExpected ? `${verdict} (loss expected)` : verdict,
        ),
      ),
    ].join('\n'),
  ];
}

function toCost(ran: readonly RunRow[]): string[] {
  if (ran.length === 0) return [];
  const times = ran.map(({ detectSeconds }) => detectSeconds).sort((a, b) => a - b);
  return [
    '## Cost',
    [
      line('step', 'seconds'),
      rule(2),
      line('detect and decode, median', times[Math.floor(times.length / 2)].toFixed(2)),
      line('detect and decode, longest', times[times.length - 1].toFixed(2)),
    ].join('\n'),
    'Insertion is measured by protect and embed, which print it.',
  ];
}

function toSkipped({ rows }: AttackRecord): string[] {
  const skipped = rows.filter(isSkipped);
  if (skipped.length === 0) return [];
  const lines = skipped.map(({ title, strength, reason }) => line(title, strength, reason));
  return ['## Not run', [line('modification', 'strength', 'why'), rule(3), ...lines].join('\n')];
}
