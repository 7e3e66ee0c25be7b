/** A comparison of two models as one HTML page: verdict and reasons, heat map, bits, graphs side by side, tensors. */
import { toCountText, toPercentText, toSmallPercentText } from '../core/quantities.ts';
import type { Behaviour, Grade, ModelDiff, TensorDiff } from '../tamper/index.ts';
import { drawBits, drawHeatMap, toBitSums } from './chart-change.ts';
import { drawSides } from './chart-sides.ts';
import { toDocument } from './document.ts';
import { type Html, html, type HtmlValue } from './html.ts';
import { toSection } from './section.ts';

export interface DiffPage {
  readonly names: { readonly before: string; readonly after: string };
  readonly toolVersion: string;
  readonly diff: ModelDiff;
  readonly behaviour: Behaviour;
  /** The worst of weights, graph and behaviour. */
  readonly grade: Grade;
  /** What could not be compared, one sentence each. */
  readonly open: readonly string[];
}

/** A part of the page; parts that have nothing to show are left out, and the others numbered. */
interface Part {
  readonly title: string;
  readonly content: HtmlValue;
}

const GRADE_WORDS: Readonly<Record<Grade, string>> = {
  same: 'computes the same',
  benign: 'ordinary processing',
  suspicious: 'to be looked at',
};

const TENSORS_SHOWN = 200;
const CHANGES_SHOWN = 200;
const BIT_CHARTS_MAX = 3;

/** All texts of the record are escaped. @returns a complete UTF-8 HTML document that ends in a line end */
export function toDiffHtml(page: DiffPage): string {
  const { diff, behaviour } = page;
  const sections = [
    toReasons(page),
    toLayersSection(diff),
    toBitsSection(diff),
    toGraphSection(diff),
    toAnswersSection(behaviour),
    toTensorsSection(diff),
  ];
  const body = html`${toHead(page)}
<main>
${sections.filter((section) => section !== null).map(({ title, content }, at) => toSection(at + 1, title, content))}
</main>
<footer><p>Made by Modelward ${page.toolVersion}. Classes are read off the change itself, each with its reason; detection and evidence, not prevention.</p></footer>`;
  return toDocument(`${page.names.after} · Modelward comparison`, body);
}

function toHead({ names, diff, grade, open }: DiffPage): Html {
  const changed = diff.tensors.filter(isChanged).length;
  const nodes = diff.graph === null ? null : diff.graph.changes.filter(({ kind }) => kind !== 'renamed').length;
  const facts: readonly (readonly [string, string, string])[] = [
    ['Weights', diff.verdict.class, toVerdictNote(diff.verdict)],
    ['Grade', grade, GRADE_WORDS[grade]],
    ['Tensors', toCountText(changed), `of ${toCountText(diff.before.tensors)} differ${toAloneText(diff)}`],
    ['Graph', nodes === null ? '–' : toCountText(nodes), nodes === null ? 'not compared' : 'changes'],
  ];
  return html`<header>
<p class="eyebrow">Modelward · Comparison</p>
<h1>${names.after}</h1>
<dl class="meta"><div><dt>Compared with</dt><dd>${names.before}</dd></div><div><dt>Formats</dt><dd>${diff.before.format} and ${diff.after.format}</dd></div></dl>
<div class="facts">
${facts.map(([name, figure, note]) => html`<div><div class="note">${name}</div><p class="figure">${figure}</p><div class="note">${note}</div></div>`)}
</div>
${
  open.length === 0
    ? null
    : html`<div class="attention" role="note" aria-labelledby="attention"><h2 id="attention">Not compared</h2><ul>${open.map((text) => html`<li>${text}</li>`)}</ul></div>`
}
</header>`;
}

/** Compared, and not the same. */
function isChanged({ before, after, class: kind }: TensorDiff): boolean {
  return before !== null && after !== null && kind !== 're-encoded';
}

function toAloneText({ added, removed }: ModelDiff): string {
  return `${added > 0 ? `, ${toCountText(added)} new` : ''}${removed > 0 ? `, ${toCountText(removed)} gone` : ''}`;
}

function toVerdictNote({ class: kind, share }: ModelDiff['verdict']): string {
  if (kind === 'unchanged') return 'as they were';
  return kind === 'other-model' ? 'little in common' : `${toPercentText(share, 0)} of what changed`;
}

const part = (title: string, content: HtmlValue): Part => ({ title, content });

function toReasons({ diff, behaviour }: DiffPage): Part {
  const hints = [...diff.hints, ...(behaviour.kind === 'measured' ? behaviour.hints : [])];
  const own = diff.verdict.reasons.filter((reason) => hints.every(({ text }) => text !== reason));
  return part(
    'Why',
    html`${own.length === 0 ? html`<p>Nothing changed that could be compared.</p>` : html`<ul>${own.map((reason) => html`<li>${reason}</li>`)}</ul>`}
${
  hints.length === 0
    ? null
    : html`<h3>Signs of poisoning or of deliberate edits</h3><table class="wide"><thead><tr><th scope="col">Sign</th><th scope="col">Grade</th><th scope="col">Figures</th></tr></thead><tbody>${hints.map(({ id, grade, text }) => html`<tr><th scope="row">${id}</th><td class="word">${grade}</td><td>${text}</td></tr>`)}</tbody></table>`
}`,
  );
}

function toLayersSection({ layers }: ModelDiff): Part | null {
  if (layers.every(({ moved }) => Object.values(moved).every((value) => value === 0))) return null;
  return part(
    'Where it changed',
    html`<figure>${drawHeatMap(layers)}<figcaption>Size of the change over the size of the tensor, by layer and kind of tensor. The colour runs over six decades. Benign training moves layers alike; an edit stands out.</figcaption></figure>`,
  );
}

function toBitsSection({ tensors }: ModelDiff): Part | null {
  const sums = toBitSums(tensors).slice(0, BIT_CHARTS_MAX);
  if (sums.length === 0) return null;
  return part(
    'Which bits differ',
    sums.map(
      (one) =>
        html`<h3>${one.dtype}</h3><figure>${drawBits(one)}<figcaption>Training fills the mantissa from below; a payload fills the lowest bits alone; faults hit any bit.</figcaption></figure>`,
    ),
  );
}

function toGraphSection({ graph }: ModelDiff): Part {
  if (graph === null) return part('The graphs', html`<p>Not compared: a file holds no graph.</p>`);
  const changes = graph.changes.filter(({ kind }) => kind !== 'renamed');
  const renamed = graph.counts.renamed;
  const shown = changes.slice(0, CHANGES_SHOWN);
  const rest = changes.length - shown.length;
  return part(
    'The graphs',
    html`<p>${graph.matched} nodes were matched by operator, attributes and neighbourhood${renamed > 0 ? `; ${renamed} of them have another name` : ''}.</p>
${changes.length === 0 ? null : html`<figure>${drawSides(graph.rows)}<figcaption>The main graph in file order. Names come from the files.</figcaption></figure>`}
${
  shown.length === 0
    ? null
    : html`<table class="wide"><thead><tr><th scope="col">Change</th><th scope="col">Grade</th><th scope="col">Node</th><th scope="col">How</th></tr></thead><tbody>
${shown.map(({ kind, grade, before, after, detail, scope }) => html`<tr><th scope="row">${kind}</th><td class="word">${grade}</td><td>${(after ?? before)?.op ?? ''} ${(after ?? before)?.name ?? ''}${scope === '' ? null : html`<span class="path">in ${scope}</span>`}</td><td>${detail}</td></tr>`)}
</tbody></table>`
}
${rest > 0 ? html`<p>${toCountText(rest)} more are in the JSON result.</p>` : null}`,
  );
}

function toAnswersSection(behaviour: Behaviour): Part {
  if (behaviour.kind === 'unmeasured') {
    return part('What it does to the answers', html`<p>Not run: ${behaviour.reason}.</p>`);
  }
  return part(
    'What it does to the answers',
    html`<p>${toCountText(behaviour.samples)} samples (${behaviour.inputs}) went through both models on ${behaviour.runtime}.</p>
<table class="wide"><thead><tr><th scope="col">Output</th><th scope="col">Mean change</th><th scope="col">Largest change</th><th scope="col">Relative</th><th scope="col">Same class</th></tr></thead><tbody>
${behaviour.outputs.map(({ name, meanChange, maxChange, relativeL2, agreement }) => html`<tr><th scope="row">${name}</th><td data-label="Mean change">${toFigure(meanChange)}</td><td data-label="Largest change">${toFigure(maxChange)}</td><td data-label="Relative">${toSmallPercentText(relativeL2)}</td><td data-label="Same class">${agreement === null ? '–' : toPercentText(agreement)}</td></tr>`)}
</tbody></table>
${behaviour.flows.length === 0 ? null : html`<p>Most frequent changes of class: ${behaviour.flows.map(({ from, to, samples, share }) => `${from} to ${to} (${samples} ${samples === 1 ? 'sample' : 'samples'}, ${toPercentText(share, 0)} of class ${from})`).join('; ')}.</p>`}`,
  );
}

const toFigure = (value: number): string => String(Number(value.toPrecision(3)));

function toTensorsSection({ tensors }: ModelDiff): Part | null {
  if (tensors.length === 0) return null;
  const shown = tensors.slice(0, TENSORS_SHOWN);
  return part(
    'Tensors',
    html`<table class="wide"><thead><tr><th scope="col">Tensor</th><th scope="col">Class</th><th scope="col">Changed</th><th scope="col">Why</th></tr></thead><tbody>
${shown.map(toTensorRow)}
</tbody></table>
${tensors.length > shown.length ? html`<p>${toCountText(tensors.length - shown.length)} more are in the JSON result.</p>` : null}`,
  );
}

function toTensorRow({ before, after, class: kind, figures, reasons }: TensorDiff): Html {
  const name = before?.name ?? after?.name ?? '';
  const state = kind ?? (before === null ? 'added' : after === null ? 'removed' : 'not compared');
  const changed = figures === null ? '–' : `${toCountText(figures.changed)} of ${toCountText(figures.elements)}`;
  return html`<tr><th scope="row">${name}</th><td>${state}</td><td data-label="Changed">${changed}</td><td>${reasons.join(' ')}</td></tr>`;
}
