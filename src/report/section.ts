/** Shared shapes of the page: numbered sections, digests, and how files are called for each reader. */
import { type Html, html, type HtmlValue } from './html.ts';
import type { ReportAudience, ReportFile, ReportFileRole } from './types.ts';

/** A numbered section. Numbers are the same in both forms, because texts refer to them. */
export function toSection(number: number, title: string, body: HtmlValue): Html {
  return html`<section aria-labelledby="s${number}">
<h2 id="s${number}"><span class="number">${number}</span>${title}</h2>
${body}
</section>`;
}

/** A digest that copies as one word and still breaks between groups of 16. */
export function toDigest(hex: string): Html {
  const groups = hex.match(/.{1,16}/g) ?? [];
  return html`<span class="digest">${groups.map((group) => html`${group}<wbr>`)}</span>`;
}

export const ROLE_TITLES: Readonly<Record<ReportFileRole, string>> = {
  original: 'Original',
  marked: 'Marked',
  sealed: 'Sealed',
  envelope: 'Key envelope',
  baseline: 'Baseline',
  signature: 'Signature',
  commitment: 'Commitment',
  timestamp: 'Time stamp',
  claim: 'Claim',
  report: 'This report',
};

const ROLE_PURPOSES: Readonly<Record<ReportFileRole, string>> = {
  original: 'the unmarked model; the judge of any later suspect needs it',
  marked: 'the model with the ownership mark, for release',
  sealed: 'the marked model, encrypted',
  envelope: 'the wrapped key of the sealed file; no use without the key that wrapped it',
  baseline: 'signed digests of every part, for finding changes',
  signature: 'the same digests of the files as an OpenSSF Model Signing bundle, for other tools',
  commitment: 'what was fixed before release, without the secret',
  timestamp: 'the RFC 3161 answer of the time-stamping authority for the commitment',
  claim: 'everything that detect needs; its seed is sealed for the owner',
  report: 'made last, so it cannot hold its own digest',
};

export function toRolePurpose(role: ReportFileRole): string {
  return ROLE_PURPOSES[role];
}

/** How a command line names a file: its base name, quoted, for the owner; a placeholder for everybody else. */
export function toCommandName(files: readonly ReportFile[], role: ReportFileRole, audience: ReportAudience): string {
  const placeholder = `${role.toUpperCase()}_FILE`;
  const path = files.find((file) => file.role === role)?.path;
  return audience === 'public' || path === undefined ? placeholder : toShellWord(toBaseName(path));
}

function toBaseName(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? path;
}

/** A word that a POSIX shell takes literally, and that cannot be mistaken for an option. */
export function toShellWord(text: string): string {
  const word = text.startsWith('-') ? `./${text}` : text;
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
