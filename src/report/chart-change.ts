/** Pictures of a comparison: change by layer and role as a heat map, differing bits by position. */
import { toCountText } from '../core/quantities.ts';
import type { LayerChange, TensorDiff, TensorRole } from '../tamper/index.ts';
import { type Html, html } from './html.ts';
import { toFittingMono } from './label-width.ts';

const WIDTH = 680;
const ROWS_MAX = 60;
const ROLES: readonly (readonly [TensorRole, string])[] = [
  ['weight', 'weight'],
  ['bias', 'bias'],
  ['norm-scale', 'scale'],
  ['norm-shift', 'shift'],
  ['running-mean', 'mean'],
  ['running-variance', 'variance'],
];
/** Colours run over six decades of relative change. */
const DECADES = 6;
/** Room for the figure beside a cell, with the space around it. */
const FIGURE_WIDTH = 60;

/** A cell per layer and role; with many layers, each line is the largest of its neighbours. */
export function drawHeatMap(layers: readonly LayerChange[]): Html {
  const lines = toLines(layers);
  const roles = ROLES.filter(([role]) => lines.some(({ moved }) => moved[role] !== undefined));
  const left = 262;
  const step = (WIDTH - left) / Math.max(1, roles.length);
  const rows = lines.map(({ name, moved }, index) => {
    const top = 22 + index * 20;
    const cells = roles.map(([role], column) => drawCell(moved[role], left + column * step, top, step));
    return html`<text class="mono" x="0" y="${top + 12}">${toFittingMono(name, 38)}</text>${cells}`;
  });
  const heads = roles.map(
    ([, title], column) => html`<text class="label" x="${left + column * step}" y="12">${title}</text>`,
  );
  const moved = layers.filter((layer) => Object.values(layer.moved).some((value) => value > 0)).length;
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${26 + lines.length * 20}" role="img" aria-label="Relative change by layer and kind of tensor: ${moved} of ${layers.length} layers changed.">
${heads}
${rows}
</svg>`;
}

function drawCell(value: number | undefined, x: number, top: number, step: number): Html | null {
  if (value === undefined) return null;
  const strength = value === 0 ? 0 : Math.min(1, Math.max(0.08, 1 + Math.log10(value) / DECADES));
  const width = Math.min(34, step - FIGURE_WIDTH);
  return html`<rect class="bar-back" x="${round(x)}" y="${top}" width="${round(width)}" height="15"/>
<rect class="bar-bad" x="${round(x)}" y="${top}" width="${round(width)}" height="15" fill-opacity="${round(strength)}"/>
<text class="label" x="${round(x + width + 4)}" y="${top + 12}">${toCellText(value)}</text>`;
}

/** A percentage of seven characters at most: a cell has no room for more. */
function toCellText(value: number): string {
  const percent = 100 * value;
  if (percent === 0) return '0';
  if (percent < 0.01 || percent >= 10_000) return `${percent.toExponential(0).replace('+', '').replace('-', '−')}%`;
  if (percent >= 1) return `${percent.toFixed(percent >= 100 ? 0 : 1)}%`;
  return `${Number(percent.toPrecision(2))}%`;
}

function toLines(layers: readonly LayerChange[]): readonly LayerChange[] {
  if (layers.length <= ROWS_MAX) return layers;
  const size = Math.ceil(layers.length / ROWS_MAX);
  return Array.from({ length: Math.ceil(layers.length / size) }, (_, index) => {
    const group = layers.slice(index * size, (index + 1) * size);
    const moved: Partial<Record<TensorRole, number>> = {};
    for (const layer of group) {
      for (const [role] of ROLES) {
        const value = layer.moved[role];
        if (value !== undefined) moved[role] = Math.max(moved[role] ?? 0, value);
      }
    }
    return { layer: group[0].layer, name: `${group[0].name} … (${group.length} layers)`, moved };
  });
}

interface BitSums {
  readonly dtype: string;
  readonly counts: readonly number[];
}

/** Sums of differing bits for each element type, the one with the most first. */
export function toBitSums(tensors: readonly TensorDiff[]): readonly BitSums[] {
  const sums = new Map<string, number[]>();
  for (const { after, bitHistogram } of tensors) {
    if (after === null || bitHistogram === null) continue;
    const counts = sums.get(after.dtype) ?? bitHistogram.map(() => 0);
    bitHistogram.forEach((count, bit) => (counts[bit] += count));
    sums.set(after.dtype, counts);
  }
  const toTotal = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
  return [...sums]
    .map(([dtype, counts]) => ({ dtype, counts }))
    .filter(({ counts }) => toTotal(counts) > 0)
    .sort((a, b) => toTotal(b.counts) - toTotal(a.counts));
}

/** Where the mantissa ends and the sign begins, for words under the bars. */
const FIELDS: Readonly<Record<string, readonly [mantissa: number, exponent: number] | undefined>> = {
  f64: [52, 11],
  f32: [23, 8],
  f16: [10, 5],
  bf16: [7, 8],
};

/** One column per bit, the highest on the left, as numbers are written. */
export function drawBits({ dtype, counts }: BitSums): Html {
  const [left, top, bottom] = [100, 14, 132];
  const step = (WIDTH - left) / counts.length;
  const most = Math.max(1, ...counts);
  const bars = counts.map((count, bit) => {
    const height = count === 0 ? 0 : Math.max(1, (count / most) * (bottom - top));
    const x = left + (counts.length - 1 - bit) * step;
    return html`<rect class="bar" x="${round(x + step * 0.1)}" y="${round(bottom - height)}" width="${round(step * 0.8)}" height="${round(height)}"/>`;
  });
  const total = counts.reduce((sum, count) => sum + count, 0);
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} 156" role="img" aria-label="${toCountText(total)} differing bits of ${dtype} elements by position, from bit ${counts.length - 1} on the left to bit 0 on the right.">
<text class="label" x="${left - 8}" y="${top + 6}" text-anchor="end">${toCountText(most)}</text>
<text class="label" x="${left - 8}" y="${bottom}" text-anchor="end">0</text>
<line class="axis" x1="${left}" y1="${bottom}" x2="${WIDTH}" y2="${bottom}"/>
${bars}
${drawFields(dtype, counts.length, left, step, bottom)}
</svg>`;
}

function drawFields(dtype: string, bits: number, left: number, step: number, bottom: number): Html {
  const fields = FIELDS[dtype];
  if (fields === undefined || bits < 16)
    return html`<text class="label" x="${left}" y="${bottom + 18}">bit ${bits - 1}</text><text class="label" x="${WIDTH}" y="${bottom + 18}" text-anchor="end">bit 0</text>`;
  const [mantissa, exponent] = fields;
  const at = (bit: number): number => round(left + (bits - bit) * step);
  return html`<line class="axis" x1="${at(mantissa)}" y1="${bottom}" x2="${at(mantissa)}" y2="${bottom + 8}"/>
<line class="axis" x1="${at(mantissa + exponent)}" y1="${bottom}" x2="${at(mantissa + exponent)}" y2="${bottom + 8}"/>
<text class="label" x="${left - 8}" y="${bottom + 20}" text-anchor="end">sign</text>
<text class="label" x="${round((at(mantissa) + at(mantissa + exponent)) / 2)}" y="${bottom + 20}" text-anchor="middle">exponent</text>
<text class="label" x="${round((at(0) + at(mantissa)) / 2)}" y="${bottom + 20}" text-anchor="middle">mantissa</text>`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
