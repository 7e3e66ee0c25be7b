/** The way of a signal through a graph as a picture: one box for each step, from the input down to the output. */
import { type Html, html } from './html.ts';
import { toFittingMono } from './label-width.ts';

export interface ChartStep {
  readonly role: 'input' | 'step' | 'trigger' | 'merge' | 'output' | 'gap';
  readonly op: string;
  readonly name: string;
  readonly scope: string;
}

const WIDTH = 680;
const ROW = 40;
const BOX = 28;
const LEFT = 96;

const ROLE_TITLES: Readonly<Record<ChartStep['role'], string>> = {
  input: 'input',
  step: '',
  trigger: 'yes or no',
  merge: 'takes part',
  output: 'output',
  gap: '',
};

const ROLE_CLASSES: Readonly<Record<ChartStep['role'], string>> = {
  input: 'box-end',
  step: 'box',
  trigger: 'box-bad',
  merge: 'box-bad',
  output: 'box-end',
  gap: 'box',
};

/** Nothing for an empty path. */
export function drawPath(steps: readonly ChartStep[]): Html {
  if (steps.length === 0) return html``;
  const label = `Path of ${steps.length} steps from ${steps[0].name} to ${steps[steps.length - 1].name}.`;
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${steps.length * ROW}" role="img" aria-label="${label}">
${steps.map((step, index) => drawStep(step, index, index + 1 < steps.length))}
</svg>`;
}

function drawStep(step: ChartStep, index: number, hasNext: boolean): Html {
  const { role, op, name, scope } = step;
  const top = index * ROW + 2;
  const middle = top + 18;
  const x = LEFT + (WIDTH - LEFT) / 2;
  const title = op === '' ? '' : `${toFittingMono(op, 16)}  `;
  const inside = scope === '' ? '' : `  in ${scope}`;
  const edge = hasNext
    ? html`<line class="edge" x1="${x}" y1="${top + BOX}" x2="${x}" y2="${top + ROW}"/>
<path class="marker" d="M${x - 4} ${top + ROW - 5}h8l-4 5z"/>`
    : null;
  if (role === 'gap') return html`<text class="label" x="${x + 8}" y="${middle}">… ${name}</text>${edge}`;
  return html`<text class="label" x="0" y="${middle}">${ROLE_TITLES[role]}</text>
<rect class="${ROLE_CLASSES[role]}" x="${LEFT}" y="${top}" width="${WIDTH - LEFT - 1}" height="${BOX}" rx="4"/>
<text class="mono" x="${LEFT + 10}" y="${middle}"><tspan class="value">${title}</tspan>${toFittingMono(name, 40)}<tspan class="label">${toFittingMono(inside, 22)}</tspan></text>${edge}`;
}
