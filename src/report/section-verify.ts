/** Sections 6 and 7: what this promises and what not, and how somebody else verifies it without trusting the owner. */
import { type Html, html } from './html.ts';
import { toPromises } from './promises.ts';
import { toCommandName, toSection, toShellWord } from './section.ts';
import type { ProtectReport, ReportAudience, ReportFileRole } from './types.ts';

export function toPromisesSection(report: ProtectReport): Html {
  return toSection(
    6,
    'What this promises, and what it does not',
    html`<table class="wide"><thead><tr><th scope="col">Mechanism</th><th scope="col">It can</th><th scope="col">It cannot</th></tr></thead><tbody>
${toPromises(report).map(
  ({ mechanism, can, cannot }) => html`<tr><th scope="row">${mechanism}</th><td>${can}</td><td>${cannot}</td></tr>`,
)}
</tbody></table>
${
  report.mark.kind === 'none'
    ? null
    : html`<p>What the mark survives was measured on the sample models of the project; the smaller a model, the less it can carry. For this model, the evidence of section 3 says how much there is to lose: each attack takes some of it, and below 64 bits nothing is said.</p>`
}`,
  );
}

export interface VerifyStep {
  readonly title: string;
  readonly text: string;
  readonly commands: readonly string[];
}

export function toVerifySection(report: ProtectReport, audience: ReportAudience): Html {
  return toSection(
    7,
    'How a third party verifies it',
    html`<p>Every step runs offline, on copies of the files. Steps with <code>modelward</code> need the open program and no account.</p>
<ol class="steps">
${toVerifySteps(report, audience).map(
  ({ title, text, commands }) =>
    html`<li><p><strong>${title}.</strong> ${text}</p>${commands.map((command) => html`<pre>${command}</pre>`)}</li>`,
)}
</ol>`,
  );
}

/** The steps that apply to what was made, in the order in which a verifier takes them. */
function toVerifySteps(report: ProtectReport, audience: ReportAudience): VerifyStep[] {
  const has = (role: ReportFileRole): boolean => report.files.some((file) => file.role === role);
  const name = (role: ReportFileRole): string => toCommandName(report.files, role, audience);
  const steps: VerifyStep[] = [
    {
      title: 'The files are the ones described here',
      text: 'Compare with the digests of section 2.',
      commands: [`sha256sum ${name(has('marked') ? 'marked' : 'sealed')}`],
    },
  ];
  if (has('baseline')) {
    steps.push({
      title: 'Nothing was changed since',
      text: 'The baseline is signed by the owner, whose public key the verifier gets from the owner (modelward keys show > OWNER_KEY_FILE). Every stored byte is compared with it, and a change is named with its place.',
      commands: [
        `modelward verify ${name(has('marked') ? 'marked' : 'sealed')} --baseline ${name('baseline')} --signer OWNER_KEY_FILE`,
      ],
    });
  }
  // A sealed copy has to be opened first: the signature is about the files inside.
  if (has('signature') && has('marked')) steps.push(toSignatureStep(report, audience));
  if (report.commitment !== null) steps.push(...toCommitmentSteps(report, audience));
  if (report.mark.kind === 'embedded') {
    steps.push({
      title: 'A suspect carries the mark',
      text:
        'The seed in the claim opens with the key of the owner only. For a judge the owner discloses it: its digest ' +
        'stands in the commitment, and no other secret is revealed. Whoever has the seed can remove this mark, so it is ' +
        'disclosed late and to few. The original is accepted only if its digest is the committed one.',
      commands: [
        `modelward disclose ${name('claim')} --out SEED_FILE`,
        `modelward detect SUSPECT_FILE --claim ${name('claim')} --seed SEED_FILE --original ${name('original')} --json`,
      ],
    });
  }
  return steps;
}

/** A model of several files is signed as the folder that holds them. */
function toSignatureStep({ files }: ProtectReport, audience: ReportAudience): VerifyStep {
  const isFolder = files.filter(({ role }) => role === 'marked').length > 1;
  const model = isFolder ? 'MARKED_FOLDER' : toCommandName(files, 'marked', audience);
  return {
    title: 'The same, with other tools',
    text: 'The model signature (OpenSSF Model Signing v1.0, key method) is by the same key, and any tool that knows the format checks it.',
    commands: [
      `modelward verify-signature ${model} --signature ${toCommandName(files, 'signature', audience)} --key OWNER_KEY_FILE`,
    ],
  };
}

function toProofCommands({ ledger }: ProtectReport, entry: number): string[] {
  const file = `entry-${entry}.tlog-proof`;
  const check =
    ledger === null ? [] : [`modelward ledger verify ${file} --ledger-key ${toShellWord(ledger.verifierKey)}`];
  return [`modelward ledger prove ${entry} > ${file}`, ...check];
}

function toCommitmentSteps(report: ProtectReport, audience: ReportAudience): VerifyStep[] {
  const entry = report.commitment?.leafIndex ?? null;
  const steps: VerifyStep[] = [
    {
      title: 'The secret was fixed before',
      text:
        'The commitment names owner, original and marked file, and holds the seeds as digests only. The owner hands out ' +
        'the entry of the ledger with its proof (c2sp.org/tlog-proof, the entry as extra data); it is checked offline with ' +
        'the key of the ledger in section 5, by Modelward or any program that reads this format.',
      commands: entry === null ? [] : toProofCommands(report, entry),
    },
  ];
  if (report.commitment?.timestamped === true) {
    steps.push({
      title: 'The time was attested by somebody else',
      text: 'The token is checked with OpenSSL and the certificate of the time-stamping authority.',
      commands: [
        `openssl ts -verify -digest ${report.commitment.hash} -token_in -in ${toCommandName(report.files, 'timestamp', audience)} -CAfile AUTHORITY_CERTIFICATES`,
      ],
    });
  }
  return steps;
}
