/** The one style sheet of the page: light, dark and A4, with the fonts that a machine has. */

const LIGHT = `
  --paper: #ffffff; --ink: #1a1f26; --muted: #59636e; --line: #d8dde3; --soft: #f4f6f8;
  --accent: #0c5a70; --good: #2b7a4b; --warn-ink: #7a4d00; --warn-paper: #fff7e3; --warn-line: #e5bf6a;
  --bad: #a3282f; --zone-none: #dfe4e9; --zone-flag: #ecd9a6; --zone-claim: #b9dcc8;`;

const DARK = `
  --paper: #13171c; --ink: #e6eaee; --muted: #9aa6b2; --line: #2f3740; --soft: #1b2027;
  --accent: #66bfd6; --good: #6cc493; --warn-ink: #f0cf8a; --warn-paper: #2a2312; --warn-line: #6d5620;
  --bad: #f08a8f; --zone-none: #2b323a; --zone-flag: #5d4f22; --zone-claim: #23523a;`;

/** CSS text; it names no outside resource. */
export const STYLESHEET = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; overflow-wrap: break-word; background: var(--paper); color: var(--ink);
  font: 16px/1.6 -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Helvetica, Arial, sans-serif;
  font-variant-numeric: lining-nums tabular-nums; }
main, header, footer { max-width: 744px; margin: 0 auto; padding: 0 32px; }
h1, h2, h3 { font-family: Charter, "Bitstream Charter", "Sitka Text", Cambria, "Liberation Serif", Georgia, serif;
  line-height: 1.2; font-weight: 600; }
h1 { font-size: 34px; margin: 6px 0 18px; overflow-wrap: anywhere; letter-spacing: -0.01em; }
h2 { font-size: 22px; margin: 56px 0 14px; padding-top: 18px; border-top: 1px solid var(--line); }
h2 .number { color: var(--accent); margin-right: 10px; }
h3 { font-size: 17px; margin: 30px 0 8px; }
p { margin: 0 0 14px; max-width: 68ch; }
header { padding-top: 56px; }
.eyebrow { margin: 0; color: var(--accent); font-size: 13px; font-weight: 600; letter-spacing: 0.08em; text-transform: uppercase; }
.meta { display: flex; flex-wrap: wrap; gap: 6px 40px; margin: 0 0 28px; padding: 14px 0 0; border-top: 3px solid var(--ink); }
.meta div { min-width: 0; }
dt { color: var(--muted); font-size: 13px; }
dd { margin: 0; overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); margin: 0 0 24px; border: 1px solid var(--line); border-radius: 6px; }
.facts > div { padding: 14px 16px; border-left: 1px solid var(--line); }
.facts > div:first-child { border-left: 0; }
.facts .figure { font-size: 20px; line-height: 1.3; font-weight: 600; margin: 2px 0; }
.facts .note { color: var(--muted); font-size: 13px; line-height: 1.4; }
.attention { margin: 0 0 24px; padding: 16px 20px 4px; background: var(--warn-paper); border: 1px solid var(--warn-line); border-radius: 6px; }
.attention h2 { margin: 0 0 8px; padding: 0; border: 0; font-size: 17px; color: var(--warn-ink); }
.attention ul { margin: 0 0 12px; padding-left: 20px; }
.attention li { margin: 0 0 6px; }
table { width: 100%; border-collapse: collapse; font-size: 14px; line-height: 1.45; margin: 0 0 18px; }
caption { text-align: left; color: var(--muted); font-size: 13px; padding-bottom: 6px; }
th { text-align: left; font-weight: 600; color: var(--muted); font-size: 13px; border-bottom: 1px solid var(--line); padding: 6px 14px 6px 0; }
td.word { white-space: nowrap; }
td { vertical-align: top; border-bottom: 1px solid var(--line); padding: 8px 14px 8px 0; overflow-wrap: anywhere; }
th:last-child, td:last-child { padding-right: 0; }
tbody th { font-weight: 600; color: var(--ink); font-size: 14px; vertical-align: top; padding: 8px 14px 8px 0; }
table.wide tbody th { overflow-wrap: anywhere; min-width: 124px; }
.number-cell { text-align: right; white-space: nowrap; }
table.files th:first-child { width: 124px; } table.files .number-cell { width: 76px; }
small { font-size: 12.5px; color: var(--muted); }
.digest, code, pre, .path { font-family: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace; }
.digest { font-size: 12px; overflow-wrap: anywhere; }
.path { display: block; font-size: 12px; color: var(--muted); overflow-wrap: anywhere; }
.tag { display: block; width: fit-content; margin-top: 2px; font-size: 12px; line-height: 1.5; font-weight: 600; padding: 0 7px; border-radius: 3px; border: 1px solid var(--warn-line);
  background: var(--warn-paper); color: var(--warn-ink); white-space: nowrap; }
pre { margin: 0 0 16px; padding: 12px 14px; background: var(--soft); border: 1px solid var(--line); border-radius: 4px; font-size: 13px; line-height: 1.5;
  white-space: pre-wrap; overflow-wrap: anywhere; }
code { font-size: 0.9em; overflow-wrap: anywhere; }
figure { margin: 18px 0 22px; }
figcaption { color: var(--muted); font-size: 13px; line-height: 1.45; margin-top: 8px; max-width: 78ch; }
.chart { display: block; width: 100%; height: auto; overflow: visible; }
.chart text { font-family: inherit; fill: var(--ink); }
.chart .label { font-size: 12px; fill: var(--muted); }
.chart .value { font-size: 13px; font-weight: 600; }
.chart .mono { font-family: ui-monospace, Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace; font-size: 11px; }
.chart .axis { stroke: var(--muted); stroke-width: 1; }
.chart .bar-back { fill: var(--soft); }
.chart .bar { fill: var(--accent); } .chart .bar-muted { fill: var(--muted); } .chart .bar-bad { fill: var(--bad); }
.chart .dot { fill: var(--accent); stroke: var(--paper); stroke-width: 2; }
.chart .limit { stroke: var(--bad); stroke-width: 1; stroke-dasharray: 3 3; }
.chart .refused { fill: var(--bad); opacity: 0.12; }
.chart .zone-none { fill: var(--zone-none); } .chart .zone-flag { fill: var(--zone-flag); } .chart .zone-claim { fill: var(--zone-claim); }
.chart .box { fill: var(--soft); stroke: var(--line); } .chart .box-bad { fill: var(--warn-paper); stroke: var(--bad); } .chart .box-end { fill: var(--paper); stroke: var(--accent); }
.chart .edge { stroke: var(--muted); stroke-width: 1.5; }
.chart .marker { fill: var(--ink); } .chart .marker-line { stroke: var(--ink); stroke-width: 2; }
.pair { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }
.picture { display: block; width: 100%; height: auto; border: 1px solid var(--line); }
.picture .found { fill: none; stroke: #ffd400; stroke-width: 2; vector-effect: non-scaling-stroke; }
.picture .mark { fill: none; stroke: #ff2fa0; stroke-width: 2; stroke-dasharray: 4 3; vector-effect: non-scaling-stroke; }
ol.steps { padding: 0; margin: 0; list-style: none; counter-reset: step; }
ol.steps > li { counter-increment: step; margin: 0 0 20px; padding-left: 36px; position: relative; break-inside: avoid; }
ol.steps > li::before { content: counter(step); position: absolute; left: 0; top: 1px; width: 24px; height: 24px; border: 1px solid var(--accent); border-radius: 50%;
  color: var(--accent); font-size: 13px; font-weight: 600; line-height: 22px; text-align: center; }
ol.steps p { margin-bottom: 8px; }
sup { line-height: 0; font-size: 0.75em; }
details { margin: 0 0 18px; font-size: 14px; } summary { cursor: pointer; color: var(--accent); }
footer { margin-top: 56px; padding-bottom: 56px; color: var(--muted); font-size: 13px; }
footer p { border-top: 1px solid var(--line); padding-top: 14px; max-width: none; }
@media (max-width: 640px) {
  .pair { grid-template-columns: minmax(0, 1fr); }
  main, header, footer { padding-left: 18px; padding-right: 18px; }
  .facts { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .facts .figure { font-size: 18px; }
  .facts > div:nth-child(3) { border-left: 0; } .facts > div:nth-child(n+3) { border-top: 1px solid var(--line); }
  table.wide, table.wide tbody, table.wide tr, table.wide td, table.wide tbody th { display: block; } table.wide thead { display: none; }
  table.wide tbody th { border: 0; padding-bottom: 0; } table.wide td { padding-top: 4px; }
  table.wide td[data-label]::before { content: attr(data-label) ": "; color: var(--muted); } .number-cell { text-align: left; }
}
@page { size: A4; margin: 18mm 16mm 18mm; @bottom-right { content: counter(page) " / " counter(pages); font: 9pt sans-serif; color: #59636e; } }
@media print {
  :root { color-scheme: light; ${LIGHT} }
  body { font-size: 10.5pt; line-height: 1.5; }
  main, header, footer { max-width: none; padding: 0; }
  header { padding-top: 0; }
  h1 { font-size: 24pt; } h2 { font-size: 15pt; margin-top: 26pt; break-after: avoid; } h3 { break-after: avoid; }
  figure, .facts, .attention, tr, pre { break-inside: avoid; }
  table, details, tbody th { font-size: 9.5pt; } .digest, .path { font-size: 8.5pt; } pre { font-size: 9pt; }
  details:not([open]) { display: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
