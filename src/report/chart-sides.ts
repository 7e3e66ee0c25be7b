/** Two graphs side by side: matched nodes on one line, insertions on the right alone, deletions on the left alone. */
import type { GraphRow } from '../tamper/index.ts';
import { type Html, html } from './html.ts';
import { toFittingMono } from './label-width.ts';

const WIDTH = 680;
const BOX = 306;
const RIGHT = WIDTH - BOX;
const STEP = 26;

const MARKS: Readonly<Record<GraphRow['kind'], string>> = {
  same: '=',
  skipped: '',
  inserted: '+',
  deleted: '−',
  rewired: '↯',
  'attribute-changed': '≠',
  renamed: '=',
  interface: '≠',
  function: '≠',
};

/** The lines of a comparison of graphs as an SVG. */
export function drawSides(rows: readonly GraphRow[]): Html {
  const changed = rows.filter(({ kind }) => kind !== 'same' && kind !== 'skipped').length;
  const lines = rows.map((row, index) => drawRow(row, 24 + index * STEP));
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${30 + rows.length * STEP}" role="img" aria-label="The graph before on the left and after on the right, ${changed} lines with a change.">
<text class="label" x="0" y="12">original</text>
<text class="label" x="${RIGHT}" y="12">suspect</text>
${lines}
</svg>`;
}

function drawRow({ kind, before, after, nodes }: GraphRow, top: number): Html {
  if (kind === 'skipped') {
    const text = `… ${nodes} unchanged ${nodes === 1 ? 'node' : 'nodes'} …`;
    return html`<text class="label" x="${WIDTH / 2}" y="${top + 14}" text-anchor="middle">${text}</text>`;
  }
  const isChanged = kind !== 'same';
  return html`${drawNode(before, 0, top, isChanged)}${drawNode(after, RIGHT, top, isChanged)}
<text class="value" x="${WIDTH / 2}" y="${top + 15}" text-anchor="middle">${MARKS[kind]}</text>`;
}

function drawNode(node: GraphRow['before'], x: number, top: number, isChanged: boolean): Html | null {
  if (node === null) return null;
  return html`<rect class="bar-back" x="${x}" y="${top}" width="${BOX}" height="20" rx="3"/>
<rect class="${isChanged ? 'bar-bad' : 'bar-muted'}" x="${x}" y="${top}" width="4" height="20"/>
<text class="mono" x="${x + 12}" y="${top + 14}">${toFittingMono(`${node.op}  ${node.name}`, 42)}</text>`;
}
