/** `modelward verify-signature`: who signed a model, and whether it is still what they signed. */
import { type Command, InvalidArgumentError } from 'commander';
import { CliError, EXIT } from '../../core/errors.ts';
import {
  type TrustOptions,
  verifyModelSignature,
  type VerifySignatureReport,
} from '../../workflows/model-signing/index.ts';
import { addExamples } from '../command-spec.ts';
import { openSigstoreVerifier } from '../compose.ts';
import { type CliContext, type CommandHost, onAction, withLazySession } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';
import { toPlainPath, toSignaturePath } from './sign.ts';

interface VerifySignatureFlags {
  readonly signature?: string;
  readonly key?: string;
  readonly certificateChain?: readonly string[];
  readonly at?: number;
  readonly tsaRoot?: readonly string[];
  readonly sigstoreRoot?: string;
  readonly identity?: string;
  readonly identityProvider?: string;
  readonly ignorePaths?: readonly string[];
  readonly ignoreUnsignedFiles?: boolean;
}

export function defineVerifySignature(command: Command, host: CommandHost): void {
  command
    .description(
      'Verifies a model against its OpenSSF signature: first who signed it, then every file. Nothing is trusted that is not named: a public key, root certificates, or the trusted root of a Sigstore instance with the identity of the signer; without any, the owner key of the home. Asks no network. Exit 1 when the model is not what was signed, 3 when the signature does not hold.',
    )
    .argument('<model>', 'file or folder of the model')
    .option('--signature <file>', 'the signature (default: model.sig in the folder, MODEL.sig beside a file)')
    .option('--key <file>', 'public key of the signer: PEM, or the output of "modelward keys show"')
    .option(
      '--certificate-chain <file...>',
      'root certificates that are believed; others in the files help to get there',
    )
    .option('--at <time>', 'when the model was signed, for certificates that have expired (default: now)', toInstant)
    .option('--tsa-root <file...>', 'roots of timestamp authorities: then a timestamp in the signature says when')
    .option('--sigstore-root <file>', 'trusted_root.json of the Sigstore instance')
    .option('--identity <name>', 'who must have signed keylessly: an e-mail address or URI, exactly')
    .option('--identity-provider <url>', 'who vouched for the identity: the OpenID Connect issuer, exactly')
    .option('--ignore-paths <path...>', 'do not look at these; relative to the folder, exact')
    .option('--ignore-unsigned-files', 'files that were not signed are no finding');
  addExamples(command, [
    { command: 'modelward verify-signature model/ --key acme.pub', summary: 'signed by this key, and unchanged?' },
    { command: 'modelward verify-signature model/ --certificate-chain root.pem', summary: 'by someone of this CA?' },
  ]);
  onAction<VerifySignatureFlags>(host, command, async (context, flags, words) => {
    const path = context.toAbsolute(words[0]);
    const report = await withLazySession(context, (open) =>
      verifyModelSignature(
        context.services,
        { ownerKey: () => open().owner.identity.signKey, openSigstore: openSigstoreVerifier },
        {
          path,
          signaturePath: toSignaturePath(context, path, flags.signature),
          trust: toTrust(context, flags),
          ignorePaths: (flags.ignorePaths ?? []).map(toPlainPath),
          ignoresUnsigned: flags.ignoreUnsignedFiles ?? false,
        },
      ),
    );
    context.ui.result(report, (look) => toText(report, look));
    return report.verdict === 'unchanged' ? EXIT.ok : EXIT.findings;
  });
}

/** @throws InvalidArgumentError */
function toInstant(text: string): number {
  const ms = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?Z)?$/.test(text) ? Date.parse(text) : NaN;
  if (Number.isFinite(ms)) return ms;
  throw new InvalidArgumentError('Not a date such as 2026-03-31 or 2026-03-31T12:00:00Z (UTC).');
}

/** @throws CliError CLI_USAGE */
function toTrust(context: CliContext, flags: VerifySignatureFlags): TrustOptions {
  const { key, certificateChain, sigstoreRoot, identity, identityProvider } = flags;
  const isKeyless = sigstoreRoot !== undefined || identity !== undefined || identityProvider !== undefined;
  const kinds = [key !== undefined, certificateChain !== undefined, isKeyless].filter((one) => one).length;
  if (kinds > 1) {
    throw new CliError('CLI_USAGE', { message: 'Give one of --key, --certificate-chain and --sigstore-root.' });
  }
  if (certificateChain !== undefined) {
    const toPaths = (files: readonly string[]): string[] => files.map((file) => context.toAbsolute(file));
    return {
      kind: 'certificate',
      certificatePaths: toPaths(certificateChain),
      atMs: flags.at ?? null,
      timestampRootPaths: toPaths(flags.tsaRoot ?? []),
    };
  }
  // Said, not dropped: who gives a time or an authority of times believes that it is looked at.
  const unused = flags.at !== undefined ? '--at' : flags.tsaRoot !== undefined ? '--tsa-root' : undefined;
  if (unused !== undefined) {
    const message = `${unused} is of --certificate-chain: keys do not expire, and a keyless signature carries its own times.`;
    throw new CliError('CLI_USAGE', { message });
  }
  if (!isKeyless) return { kind: 'key', keyPath: key === undefined ? null : context.toAbsolute(key) };
  if (sigstoreRoot === undefined || identity === undefined || identityProvider === undefined) {
    throw new CliError('CLI_USAGE', {
      message: 'A keyless signature needs --sigstore-root, --identity and --identity-provider.',
    });
  }
  return { kind: 'sigstore', rootPath: context.toAbsolute(sigstoreRoot), identity, issuer: identityProvider };
}

const ROWS_SHOWN = 40;

function toText(report: VerifySignatureReport, { style, widthColumns }: TextLook): string {
  const { verdict, changes, changesTotal, method, signer, judgedAt, isTimestamped, subject, ignored } = report;
  const when = judgedAt === null ? [] : [['judged at', `${judgedAt}${isTimestamped ? ' (timestamp)' : ''}`]];
  const pairs = toPairs(
    [
      ['signature', `holds (${method})`],
      ['signed by', signer],
      ...when,
      ['model', `${subject.name} (sha256:${subject.digest})`],
      ['files', String(report.files)],
      ...(ignored.length === 0 ? [] : [['not looked at', ignored.join(', ')]]),
    ] as [string, string][],
    style,
  );
  const head = `${style.bold(`verdict: ${verdict}`)}  ${changesTotal} ${changesTotal === 1 ? 'change' : 'changes'}\n`;
  if (changes.length === 0) return head + pairs;
  const table = toTable({
    columns: [{ title: 'change' }, { title: 'file', isFlexible: true }, { title: 'with', isFlexible: true }],
    rows: changes.slice(0, ROWS_SHOWN).map((one) => [one.kind, one.file, toOther(one)]),
    style,
    widthColumns,
  });
  const rest = changesTotal - Math.min(ROWS_SHOWN, changes.length);
  return `${head}${pairs}\n${table}${rest > 0 ? `  … and ${rest} more (--json lists them)\n` : ''}`;
}

function toOther(change: VerifySignatureReport['changes'][number]): string {
  if (change.kind === 'renamed') return change.to;
  if (change.kind === 'swapped') return change.with;
  if (change.kind !== 'changed' || change.ranges === null) return '-';
  const [first, ...more] = change.ranges;
  return `bytes ${first[0]}-${first[1]}${more.length === 0 ? '' : ` and ${more.length} more`}`;
}
