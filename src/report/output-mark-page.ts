/** An output mark as one HTML page: what it says, what it changed, and one input before and after. */
import { toByteText, toCountText, toSmallPercentText } from '../core/quantities.ts';
import { toDocument } from './document.ts';
import { type Html, html } from './html.ts';
import { toAccuracyText, toSignedText } from './numbers.ts';
import { toSection } from './section.ts';

/** A rectangle in parts of the picture. */
interface PageBox {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface MarkPicture {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Base64 of a PNG; null for a plain ground. */
  readonly png: string | null;
  readonly boxes: readonly PageBox[];
  /** Boxes of the mark, drawn differently. */
  readonly marks: readonly PageBox[];
}

export interface MarkPictures {
  readonly before: MarkPicture;
  readonly after: MarkPicture;
}

interface PageOutput {
  readonly name: string;
  readonly shapeBefore: readonly number[] | null;
  readonly shapeAfter: readonly number[];
  /** Part of the values. */
  readonly changed: number;
  readonly maxChange: number;
  readonly relativeL2: number;
  readonly argmaxAgreement: number | null;
}

interface PageEffect {
  readonly runtime: string;
  readonly inputs: string;
  readonly samples: number;
  readonly outputs: readonly PageOutput[];
  readonly accuracy: {
    readonly accuracyOriginal: number | null;
    readonly accuracyMarked: number | null;
    readonly lossPoints: { readonly estimate: number; readonly low: number; readonly high: number } | null;
  } | null;
  readonly latency: {
    readonly ratio: number;
    readonly ratioLow: number;
    readonly ratioHigh: number;
    readonly pairs: number;
    readonly beforeMs: number;
    readonly afterMs: number;
  };
}

export interface OutputMarkPage {
  /** Base name of the model. */
  readonly model: string;
  readonly toolVersion: string;
  readonly kind: string;
  readonly id: string;
  /** The payload in words; null when there is none. */
  readonly says: string | null;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Null when it was not measured; `unmeasured` then says why. */
  readonly effect: PageEffect | null;
  readonly unmeasured: string | null;
  readonly pictures: MarkPictures | null;
  /** What a mark of this kind is, and what it is not. */
  readonly statement: string;
}

/** All texts of the record are escaped. @returns a complete UTF-8 HTML document that ends in a line end */
export function toOutputMarkHtml(page: OutputMarkPage): string {
  const body = html`${toHead(page)}
<main>
${toPicturesSection(page.pictures)}
${toOutputsSection(page)}
${toSection(3, 'What it is, and what it is not', html`<p>${page.statement}</p>`)}
</main>
<footer><p>Made by Modelward ${page.toolVersion}. An output mark is a label: it identifies, and proves no ownership.</p></footer>`;
  return toDocument(`${page.model} · Modelward output mark`, body, { hasImages: true });
}

function toHead(page: OutputMarkPage): Html {
  const { effect } = page;
  const growth = page.bytesAfter - page.bytesBefore;
  const facts: readonly (readonly [string, string, string])[] = [
    ['Mark', page.kind, `id ${page.id}`],
    page.kind === 'image' || page.kind === 'hidden' ? toPixelsFact(effect) : toAnswersFact(effect),
    [
      'Time',
      effect === null ? '–' : `× ${effect.latency.ratio.toFixed(3)}`,
      effect === null ? 'not measured' : `median of ${effect.latency.pairs} pairs`,
    ],
    ['Size', `${growth < 0 ? '−' : '+'}${toByteText(Math.abs(growth))}`, `of ${toByteText(page.bytesBefore)}`],
  ];
  return html`<header>
<p class="eyebrow">Modelward · Output mark</p>
<h1>${page.model}</h1>
<dl class="meta"><div><dt>It says</dt><dd>${page.says ?? 'nothing: it counts'}</dd></div></dl>
<div class="facts">
${facts.map(([name, figure, note]) => html`<div><div class="note">${name}</div><p class="figure">${figure}</p><div class="note">${note}</div></div>`)}
</div>
</header>`;
}

/** Of pictures, no row has a class. */
function toPixelsFact(effect: PageEffect | null): readonly [string, string, string] {
  if (effect === null) return ['Changed', '–', 'not compared'];
  const part = Math.max(0, ...effect.outputs.map(({ changed }) => changed));
  return ['Changed', toSmallPercentText(part), 'of the values of a picture'];
}

/** Accuracy with labels; without, how many answers name the same class. */
function toAnswersFact(effect: PageEffect | null): readonly [string, string, string] {
  const loss = effect?.accuracy?.lossPoints ?? null;
  if (loss !== null) {
    const interval = `95 %: ${toSignedText(-loss.high, 2)} to ${toSignedText(-loss.low, 2)}`;
    return ['Accuracy', `${toSignedText(-loss.estimate, 2)} pt`, interval];
  }
  const agreements = (effect?.outputs ?? []).flatMap(({ argmaxAgreement }) => argmaxAgreement ?? []);
  if (agreements.length === 0) return ['Answers', '–', 'not compared'];
  return ['Same answers', toAccuracyText(Math.min(...agreements)), 'rows whose largest value stays'];
}

function toPicturesSection(pictures: MarkPictures | null): Html {
  if (pictures === null)
    return toSection(1, 'Before and after', html`<p>Nothing of this mark is seen in a picture.</p>`);
  const { after } = pictures;
  const note =
    after.marks.length === 0
      ? ''
      : ` Dashed: the ${after.marks.length} boxes of the mark, drawn here whatever their score.`;
  return toSection(
    1,
    'Before and after',
    html`<div class="pair">
<figure>${drawPicture(pictures.before, 'The output without the mark')}<figcaption>Without the mark.</figcaption></figure>
<figure>${drawPicture(after, 'The output with the mark, for the same input')}<figcaption>With the mark, for the same input.${note}</figcaption></figure>
</div>`,
  );
}

function drawPicture({ width, height, png, boxes, marks }: MarkPicture, label: string): Html {
  const ground =
    png === null
      ? html`<rect class="bar-back" width="${width}" height="${height}"/>`
      : html`<image href="data:image/png;base64,${png}" width="${width}" height="${height}"/>`;
  const draw = (kind: string, list: readonly PageBox[]): Html[] =>
    list.map(
      (box) =>
        html`<rect class="${kind}" x="${round(box.x * width)}" y="${round(box.y * height)}" width="${round(box.width * width)}" height="${round(box.height * height)}"/>`,
    );
  return html`<svg class="picture" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}: ${boxes.length} detections">
${ground}
${draw('found', boxes)}
${draw('mark', marks)}
</svg>`;
}

function toOutputsSection({ effect, unmeasured }: OutputMarkPage): Html {
  if (effect === null)
    return toSection(2, 'What it changed', html`<p>Not measured: ${unmeasured ?? 'no reason given'}.</p>`);
  const { latency, outputs, runtime, inputs, samples } = effect;
  return toSection(
    2,
    'What it changed',
    html`<table class="wide">
<thead><tr><th>Output</th><th>Shape</th><th class="number-cell">Values changed</th><th class="number-cell">Largest change</th><th class="number-cell">Relative L2</th></tr></thead>
<tbody>${outputs.map(toRow)}</tbody>
</table>
<p>On ${toCountText(samples)} samples (${inputs}), run by ${runtime}; added rows and columns are not counted as changes. One run took
${latency.beforeMs.toFixed(2)} ms before and ${latency.afterMs.toFixed(2)} ms after; the middle half of
${latency.pairs} pairs of timings lies between × ${latency.ratioLow.toFixed(3)} and × ${latency.ratioHigh.toFixed(3)}.</p>
${toAccuracyLine(effect)}`,
  );
}

function toRow({ name, shapeBefore, shapeAfter, changed, maxChange, relativeL2 }: PageOutput): Html {
  const [before, after] = [shapeBefore === null ? 'new' : `[${shapeBefore.join(', ')}]`, `[${shapeAfter.join(', ')}]`];
  const shape = before === after ? before : `${before} → ${after}`;
  const figures =
    shapeBefore === null
      ? ['–', '–', '–']
      : [toSmallPercentText(changed), maxChange.toPrecision(2), toSmallPercentText(relativeL2)];
  return html`<tr><th scope="row">${name}</th><td>${shape}</td>${figures.map((figure) => html`<td class="number-cell">${figure}</td>`)}</tr>`;
}

function toAccuracyLine({ accuracy }: PageEffect): Html | null {
  const { accuracyOriginal = null, accuracyMarked = null } = accuracy ?? {};
  if (accuracyOriginal === null || accuracyMarked === null) return null;
  return html`<p>Accuracy ${toAccuracyText(accuracyOriginal)} before and ${toAccuracyText(accuracyMarked)} after, on all labelled samples.</p>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
