/** A scan as one HTML page: what was found with its evidence, what was looked at, and what was not. */
import { SCAN_RULES, type ScanFinding, type ScanReport, type ScanSeverity } from '../tamper/index.ts';
import { drawPath } from './chart-path.ts';
import { toDocument } from './document.ts';
import { type Html, html } from './html.ts';
import { toSection } from './section.ts';

export interface ScanPage {
  /** Base name of the file. */
  readonly model: string;
  readonly toolVersion: string;
  readonly report: ScanReport;
}

const VERDICTS: Readonly<Record<ScanReport['verdict'], string>> = {
  high: 'reads like an attack',
  suspicious: 'to be looked at',
  benign: 'nothing alarming',
  'nothing-found': 'nothing found',
  'not-scanned': 'not scanned',
};

const SEVERITY_TITLES: Readonly<Record<ScanSeverity, string>> = {
  high: 'Reads like an attack',
  suspicious: 'To be looked at',
  benign: 'Told, not alarmed',
};

/** All texts of the record are escaped. @returns a complete UTF-8 HTML document that ends in a line end */
export function toScanHtml(page: ScanPage): string {
  const { report } = page;
  const body = html`${toHead(page)}
<main>
${toFindingsSection(report)}
${toCoverageSection(report)}
${toRulesSection(report)}
</main>
<footer><p>Made by Modelward ${page.toolVersion}. A finding is a reason to look, not a proof; detection and evidence, not prevention.</p></footer>`;
  return toDocument(`${page.model} · Modelward scan`, body);
}

function toHead({ model, report }: ScanPage): Html {
  const count = (severity: ScanSeverity): number => report.findings.filter((one) => one.severity === severity).length;
  const facts: readonly (readonly [string, string, string])[] = [
    ['Verdict', VERDICTS[report.verdict], 'for the parts that were scanned'],
    ['Like an attack', String(count('high')), 'findings'],
    ['To be looked at', String(count('suspicious')), 'findings'],
    ['Not scanned', String(report.notScanned.length), report.notScanned.length === 1 ? 'part' : 'parts'],
  ];
  return html`<header>
<p class="eyebrow">Modelward · Scan without a baseline</p>
<h1>${model}</h1>
<dl class="meta"><div><dt>Format</dt><dd>${report.format}</dd></div></dl>
<div class="facts">
${facts.map(
  ([name, figure, note]) =>
    html`<div><div class="note">${name}</div><p class="figure">${figure}</p><div class="note">${note}</div></div>`,
)}
</div>
${toGaps(report)}
</header>`;
}

function toGaps({ notScanned }: ScanReport): Html | null {
  if (notScanned.length === 0) return null;
  return html`<div class="attention" role="note" aria-labelledby="attention">
<h2 id="attention">Not scanned</h2>
<ul>${notScanned.map(({ part, detail }) => html`<li><strong>${part}.</strong> ${detail}</li>`)}</ul>
</div>`;
}

function toFindingsSection({ findings, dropped }: ScanReport): Html {
  const groups = (['high', 'suspicious', 'benign'] as const).map((severity) => {
    const own = findings.filter((finding) => finding.severity === severity);
    return own.length === 0 ? null : html`<h3>${SEVERITY_TITLES[severity]}</h3>${own.map(toFindingHtml)}`;
  });
  const rest = Object.entries(dropped).map(([rule, count]) => `${count} more of ${rule}`);
  return toSection(
    1,
    'Findings',
    html`${findings.length === 0 ? html`<p>No rule was broken in the parts that were scanned.</p>` : groups}
${rest.length === 0 ? null : html`<p>${rest.join(', ')}, not listed.</p>`}`,
  );
}

function toFindingHtml({ rule, severity, message, subject, offset, path }: ScanFinding): Html {
  const place = offset === null ? '' : `, from byte ${offset}`;
  const picture = html`<figure>${drawPath(path)}<figcaption>From the input over the yes-or-no signal to the output. Names come from the file.</figcaption></figure>`;
  return html`<p>${severity === 'high' ? html`<span class="tag">${rule}</span>` : html`<strong>${rule}</strong> `}${message}
<span class="path">${subject ?? 'the file'}${place}</span></p>
${path.length === 0 ? null : severity === 'high' ? picture : html`<details><summary>Path</summary>${picture}</details>`}`;
}

function toCoverageSection({ scanned, notScanned }: ScanReport): Html {
  const rows = [
    ...scanned.map((part) => ({ ...part, state: 'scanned' })),
    ...notScanned.map((part) => ({ ...part, state: 'not scanned' })),
  ];
  return toSection(
    2,
    'What was looked at',
    html`<table class="wide"><thead><tr><th scope="col">Part</th><th scope="col"></th><th scope="col">Detail</th></tr></thead><tbody>
${rows.map(({ part, state, detail }) => html`<tr><th scope="row">${part}</th><td>${state}</td><td>${detail}</td></tr>`)}
</tbody></table>`,
  );
}

function toRulesSection({ findings }: ScanReport): Html | null {
  const ids = [...new Set(findings.map(({ rule }) => rule))].sort();
  if (ids.length === 0) return null;
  return toSection(
    3,
    'What the rules mean',
    html`<table class="wide"><thead><tr><th scope="col">Rule</th><th scope="col">It sees</th><th scope="col">It alarms without reason on</th></tr></thead><tbody>
${ids.map((id) => html`<tr><th scope="row">${id}</th><td>${SCAN_RULES[id].summary}</td><td data-label="Alarms without reason on">${SCAN_RULES[id].falseAlarms}</td></tr>`)}
</tbody></table>`,
  );
}
