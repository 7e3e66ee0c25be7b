/** Whose copy it is: for the owner by name, for everybody else by number alone. */
import { toCountText } from '../core/quantities.ts';
import { type Html, html } from './html.ts';
import type { ProtectReport, ReportAudience, ReportRecipient } from './types.ts';

/**
 * The public form goes to judges and to recipients: it tells copies apart, and neither who the others are nor what in the
 * weights names them.
 */
export function toRecipientBody({ recipient }: ProtectReport, audience: ReportAudience): Html | null {
  if (recipient === null) return null;
  if (audience === 'public') {
    return html`<h3>Whose copy this is</h3>
<p>This file is copy <strong>number ${recipient.number}</strong> of the model. The owner’s register says who was given it; it was recorded before the file got its name, and is opened for a judge alone.</p>`;
  }
  const row = (name: string, value: Html | string): Html =>
    html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`;
  return html`<h3>Whose copy this is</h3>
<p>This file was made for <strong>${recipient.id}</strong> and nobody else. If it leaks, detect names the copy; who leaked it, it cannot say, because the owner had it, too.</p>
<table><tbody>
${row('Recipient', recipient.id)}
${row('Number', String(recipient.number))}
${row('Named by', toCodeText(recipient))}
${row('Register', html`<code>${recipient.annex}</code><br><small>signed; it holds a salted digest of the name, never the name</small>`)}
${row('Entry of the ledger', recipient.leafIndex === null ? 'made by an earlier run for the same copy' : `number ${recipient.leafIndex}, counted from 0`)}
</tbody></table>`;
}

/** In words, such as "the order of 328 neurons, a payload in the weights". */
export function toCodeText({ channels, hasPayload }: ReportRecipient): string {
  const order = channels === null ? [] : [`the order of ${toCountText(channels)} neurons`];
  return [...order, ...(hasPayload ? ['a payload in the weights'] : [])].join(', ');
}
