/** Section 5: when the secret was fixed, who attests it, and where it is recorded. */
import { toCountText } from '../core/quantities.ts';
import { TIME_BY_OWNER } from './attention.ts';
import { type Html, html } from './html.ts';
import { toDateText } from './masthead.ts';
import { toDigest, toSection } from './section.ts';
import type { ProtectReport, ReportAudience, ReportCommitment } from './types.ts';

const TITLE = 'Time and record';

export function toRecordSection(report: ProtectReport, audience: ReportAudience): Html {
  const { commitment, ledger, key } = report;
  const row = (name: string, value: Html | string): Html =>
    html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`;
  const keyRow =
    key === null || audience === 'public' ? null : row('Key of the sealed file', toKeyText(key.scheme, key.note));
  const ledgerRow =
    ledger === null
      ? row('Ledger', 'not recorded')
      : html`${row('Ledger', html`${ledger.origin}, ${toCountText(ledger.size)} ${ledger.size === 1 ? 'entry' : 'entries'}`)}
${row('Key of the ledger', html`<code>${ledger.verifierKey}</code>`)}`;
  const commitmentRows =
    commitment === null
      ? row('Commitment', 'none was made')
      : html`${row('Commitment (SHA-256)', toDigest(commitment.hash))}
${commitment.leafIndex === null ? null : row('Entry of the ledger', `number ${commitment.leafIndex}, counted from 0`)}
${row('Time attested by', toTimeText(commitment))}`;
  return toSection(
    5,
    TITLE,
    html`<table><tbody>
${commitmentRows}
${ledgerRow}
${keyRow}
</tbody></table>
${commitment === null ? null : toCheckpointBody(commitment)}`,
  );
}

function toTimeText(commitment: ReportCommitment): Html | string {
  if (commitment.tsa === null) return 'the owner alone, by the clock of the machine that made this report';
  const { url, time, isTrusted } = commitment.tsa;
  return html`${url}, RFC 3161 token of ${toDateText(time)}${isTrusted ? null : '; its certificate was not checked'}`;
}

function toKeyText(scheme: string, note: string | null): string {
  return note === null ? scheme : `${scheme} (${note})`;
}

function toCheckpointBody({ checkpoint, timestamped }: ReportCommitment): Html | null {
  if (checkpoint === null) return null;
  const why = timestamped
    ? html`<p>The signed state of the ledger. Whoever keeps a copy can later show that nothing before it was changed.</p>`
    : html`<p><strong>${TIME_BY_OWNER}.</strong> Publish this checkpoint where others keep dated copies (a newspaper, a public repository, a notary): from then on, nothing recorded before it can be changed or back-dated unnoticed.</p>`;
  return html`<h3>${timestamped ? 'Checkpoint' : 'Checkpoint to publish'}</h3>
${why}
<pre>${toLines(checkpoint)}</pre>`;
}

/** Line breaks kept; every other control character is spelled out. */
function toLines(text: string): Html[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => html`${line}${LINE_BREAK}`);
}

const LINE_BREAK: Html = { markup: '\n' };
