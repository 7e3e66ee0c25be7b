/** What the reader must know first: plaintext copies, time that nobody else attested, keys for trial, warnings. */
import { toCountText } from '../core/quantities.ts';
import type { ProtectReport, ReportAudience, ReportFile } from './types.ts';

export interface AttentionPoint {
  readonly title: string;
  readonly text: string;
}

export const TIME_BY_OWNER = 'Time attested only by the owner';

/** The points for one kind of reader, most important first; [] when there are none. */
export function toAttentionPoints(report: ProtectReport, audience: ReportAudience): AttentionPoint[] {
  const points: AttentionPoint[] = [];
  if (report.mark.kind === 'none') {
    points.push({
      title: 'No ownership mark',
      text: audience === 'owner' ? report.mark.reason : 'This file carries no mark that detect could find.',
    });
  }
  if (audience === 'owner') points.push(...toOwnerPoints(report));
  if (report.commitment !== null && !report.commitment.timestamped) points.push(toTimePoint(report));
  for (const warning of report.warnings) {
    if (audience === 'owner' || warning.isPublic) points.push({ title: 'Warning', text: warning.text });
  }
  return points;
}

/** Files that give usable weights to whoever can read them. */
export function toPlaintextFiles(report: ProtectReport): ReportFile[] {
  return report.files.filter((file) => file.plaintext);
}

function toOwnerPoints(report: ProtectReport): AttentionPoint[] {
  const points: AttentionPoint[] = [];
  const plaintext = toPlaintextFiles(report);
  if (plaintext.length > 0) {
    const count = plaintext.length === 1 ? '1 plaintext copy' : `${toCountText(plaintext.length)} plaintext copies`;
    points.push({
      title: `${count} left on this machine`,
      text: 'Whoever can read these files has the model. Section 2 lists them; --seal-only leaves none of ours.',
    });
  }
  if (report.key?.scheme === 'local') {
    points.push({
      title: `Local key: ${report.key.note ?? 'same machine: for trial'}`,
      text: 'The key that opens the sealed file lies on the machine that sealed it. Use a key service before release.',
    });
  }
  return points;
}

function toTimePoint(report: ProtectReport): AttentionPoint {
  const text =
    report.commitment?.checkpoint === null
      ? 'No third party has confirmed when the commitment was made.'
      : 'No third party has confirmed when the commitment was made. Publish the checkpoint of section 5 where others keep dated copies.';
  return { title: TIME_BY_OWNER, text };
}
