/** Distortion per layer as a picture: named bars for small models, a profile for deep ones. */
import { toCountText, toSmallPercentText } from '../core/quantities.ts';
import { type Html, html } from './html.ts';
import { toFittingMono } from './label-width.ts';
import type { ReportLayer } from './types.ts';

const WIDTH = 680;
const NAMED_LAYERS_MAX = 40;
const PROFILE_BARS_MAX = 340;

/** An SVG of all layers in graph order. */
export function drawLayers(layers: readonly ReportLayer[]): Html {
  if (layers.length === 0) return html``;
  return layers.length <= NAMED_LAYERS_MAX ? drawNamed(layers) : drawProfile(layers);
}

function drawNamed(layers: readonly ReportLayer[]): Html {
  const left = 250;
  const right = 484;
  const largest = toLargest(layers);
  const rows = layers.map((layer, index) => {
    const top = 20 + index * 20;
    const width = Math.max(1, round((layer.relativeDistortion / largest) * (right - left)));
    return html`<text class="mono" x="0" y="${top + 11}">${toFittingMono(layer.layer, 36)}</text>
<rect class="bar-back" x="${left}" y="${top}" width="${right - left}" height="13"/>
<rect class="bar" x="${left}" y="${top}" width="${width}" height="13"/>
<text class="value" x="${right + 98}" y="${top + 11}" text-anchor="end">${toSmallPercentText(layer.relativeDistortion)}</text>
<text class="label" x="${WIDTH}" y="${top + 11}" text-anchor="end">${toCountText(layer.weights)}</text>`;
  });
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${24 + layers.length * 20}" role="img" aria-label="${toLabel(layers)}">
<text class="label" x="0" y="11">layer</text>
<text class="label" x="${right + 98}" y="11" text-anchor="end">change</text>
<text class="label" x="${WIDTH}" y="11" text-anchor="end">weights</text>
${rows}
</svg>`;
}

/** One thin column per layer; beyond what fits, each column is the largest of its neighbours. */
function drawProfile(layers: readonly ReportLayer[]): Html {
  const [top, bottom, left, right] = [12, 150, 96, WIDTH];
  const largest = toLargest(layers);
  const values = toGroupMaxima(
    layers.map((layer) => layer.relativeDistortion),
    PROFILE_BARS_MAX,
  );
  const step = (right - left) / values.length;
  const columns = values.map((value, index) => {
    const height = round((value / largest) * (bottom - top));
    const width = round(Math.max(0.5, step - Math.min(2, step / 4)));
    return html`<rect class="bar" x="${round(left + index * step)}" y="${round(bottom - height)}" width="${width}" height="${height}"/>`;
  });
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} 176" role="img" aria-label="${toLabel(layers)}">
<text class="label" x="${left - 8}" y="${top + 8}" text-anchor="end">${toSmallPercentText(largest)}</text>
<text class="label" x="${left - 8}" y="${bottom}" text-anchor="end">0 %</text>
<line class="axis" x1="${left}" y1="${bottom}" x2="${right}" y2="${bottom}"/>
${columns}
<text class="label" x="${left}" y="${bottom + 18}">first layer</text>
<text class="label" x="${right}" y="${bottom + 18}" text-anchor="end">last of ${toCountText(layers.length)} layers</text>
</svg>`;
}

function toGroupMaxima(values: readonly number[], count: number): number[] {
  const size = Math.ceil(values.length / count);
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) =>
    Math.max(...values.slice(index * size, (index + 1) * size)),
  );
}

function toLargest(layers: readonly ReportLayer[]): number {
  return layers.reduce((largest, layer) => Math.max(largest, layer.relativeDistortion), 1e-12);
}

function toLabel(layers: readonly ReportLayer[]): string {
  const smallest = layers.reduce((least, layer) => Math.min(least, layer.relativeDistortion), Number.POSITIVE_INFINITY);
  return `Relative change of the weights of ${layers.length} layers, from ${toSmallPercentText(smallest)} to ${toSmallPercentText(toLargest(layers))}.`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
