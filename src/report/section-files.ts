/** Sections 1 and 2: what was protected, and the files with their digests. */
import { toByteText, toCountText } from '../core/quantities.ts';
import { toPlaintextFiles } from './attention.ts';
import { type Html, html } from './html.ts';
import { ROLE_TITLES, toDigest, toRolePurpose, toSection } from './section.ts';
import type { ProtectReport, ReportAudience, ReportFile, ReportFileRole } from './types.ts';

const FORMAT_TITLES: Readonly<Record<string, string | undefined>> = {
  onnx: 'ONNX',
  gguf: 'GGUF',
  tflite: 'TFLite',
  pytorch: 'PyTorch',
};

/** Files whose digests others may see; the rest belongs to the owner's own housekeeping. */
const PUBLIC_ROLES: readonly ReportFileRole[] = [
  ...(['original', 'marked', 'sealed', 'baseline', 'signature', 'commitment', 'timestamp'] as const),
];

export function toProtectedSection({ model }: ProtectReport): Html {
  const opsets = Object.entries(model.opsets).map(
    ([domain, version]) => `${domain === '' ? 'ai.onnx' : domain} ${version}`,
  );
  const row = (name: string, value: Html | string): Html =>
    html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`;
  return toSection(
    1,
    'What was protected',
    html`<table><tbody>
${row('Model', model.name)}
${row('Format', FORMAT_TITLES[model.format] ?? model.format)}
${row('Parameters', `${toCountText(model.parameters)} in ${toCountText(model.tensors)} tensors`)}
${opsets.length === 0 ? null : row('Operator sets', opsets.join(', '))}
${model.originalDigest === null ? null : row('Original digest', html`${toDigest(model.originalDigest)}<br><small>of the unmarked weights, the same in every file format</small>`)}
</tbody></table>`,
  );
}

export function toFilesSection(report: ProtectReport, audience: ReportAudience): Html {
  const files = audience === 'owner' ? report.files : report.files.filter((file) => PUBLIC_ROLES.includes(file.role));
  return toSection(
    2,
    'Files and digests',
    html`<p>Each digest is the SHA-256 of the whole file. A file is the one described here if, and only if, its digest is the same.</p>
<table class="wide files"><thead><tr><th scope="col">File</th><th scope="col">SHA-256</th><th scope="col" class="number-cell">Size</th></tr></thead><tbody>
${files.map((file) => toFileRow(file, audience))}
</tbody></table>
${audience === 'owner' ? toPlaintextText(report) : null}`,
  );
}

function toFileRow(file: ReportFile, audience: ReportAudience): Html {
  const isOwner = audience === 'owner';
  return html`<tr><th scope="row">${ROLE_TITLES[file.role]} ${isOwner && file.plaintext ? html`<span class="tag">plaintext</span>` : null}</th>
<td>${file.sha256 === null ? '—' : toDigest(file.sha256)}<br><small>${toRolePurpose(file.role)}</small>${isOwner ? html`<span class="path">${file.path}</span>` : null}</td>
<td class="number-cell">${file.sizeBytes === null ? '—' : toByteText(file.sizeBytes)}</td></tr>`;
}

function toPlaintextText(report: ProtectReport): Html {
  const plaintext = toPlaintextFiles(report);
  if (plaintext.length === 0) {
    return html`<p>This run left <strong>no plaintext copy</strong> of the weights among these files.</p>`;
  }
  return html`<p><strong>Plaintext copies left:</strong> whoever can read these has the model.</p>
<ul>${plaintext.map((file) => html`<li>${ROLE_TITLES[file.role]}: <code>${file.path}</code></li>`)}</ul>`;
}
