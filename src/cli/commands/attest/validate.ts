/** `modelward attest validate`: authenticity, then policy. */
import type { Command } from 'commander';
import { ERRORS, EXIT } from '../../../core/errors.ts';
import { ATTEST_LIMITS } from '../../../core/limits/attest.ts';
import { toPrintable } from '../../../core/printable.ts';
import { type EvidenceValidation, validateEvidenceFile } from '../../../workflows/attest/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import type { TextLook } from '../../ui/ui.ts';
import { toClaimPairs, toKindText } from './claims-text.ts';
import {
  addVerifyOptions,
  assertLength,
  toHexArgument,
  toVerifyOptions,
  type VerifyFlags,
  warnOfLimits,
} from './flags.ts';

interface ValidateFlags extends VerifyFlags {
  readonly policy: string;
  readonly nonce?: Uint8Array;
  readonly reportData?: Uint8Array;
}

export function defineAttestValidate(command: Command, host: CommandHost): void {
  command.description(
    'Verifies evidence, then holds it against a policy: kinds, measurements, least TCB, debug, privilege level, what it is bound to. Every reason to refuse is told, each with its own code. Exit 5 when refused.',
  );
  addVerifyOptions(command)
    .requiredOption('--policy <file>', 'policy (docs/spec/attestation-policy.md)')
    .option('--nonce <hex>', 'challenge that the evidence must answer, 16 bytes or more', toHexArgument)
    .option(
      '--report-data <hex>',
      'what it must be bound to, such as the digest of a key; zeros after it',
      toHexArgument,
    );
  addExamples(command, [
    {
      command:
        'modelward attest validate evidence.json --policy policy.json --report-data 819770b7e6ea6df8dd8fd4dd146b073c',
      summary: 'may this machine have the key?',
    },
  ]);
  onAction<ValidateFlags>(host, command, (context, flags, words) => {
    assertLength('--nonce', flags.nonce, ATTEST_LIMITS.nonceBytesMin, ATTEST_LIMITS.nitroFieldBytesMax);
    assertLength('--report-data', flags.reportData, 1, ATTEST_LIMITS.reportDataBytes);
    warnOfLimits(context, flags);
    const report = validateEvidenceFile(context.services, {
      ...toVerifyOptions(context, flags, words[0]),
      policyPath: context.toAbsolute(flags.policy),
      reportData: flags.reportData ?? null,
      nonce: flags.nonce ?? null,
    });
    context.ui.result(report, (look) => toText(report, look));
    return report.validation.isAccepted ? EXIT.ok : EXIT.noKey;
  });
}

function toText({ claims, validation, isJudgedForNow }: EvidenceValidation, { style }: TextLook): string {
  const { isAccepted, refusals, policyName, policyDigestHex } = validation;
  const word = isAccepted ? style.bold('accepted') : style.red('refused');
  const when = isJudgedForNow ? '' : ' for a time of the past';
  const head = `${word}${when} by policy ${toPrintable(policyName)}: ${toKindText(claims)}\n`;
  const reasons = refusals.map(
    ({ code, fields }) => `  ${code}  ${ERRORS[code].message} ${toPrintable(JSON.stringify(fields))}\n`,
  );
  const pairs = [...toClaimPairs(claims), ['policy digest', policyDigestHex] as [string, string]];
  const printable = pairs.map(([name, value]): [string, string] => [toPrintable(name), toPrintable(value)]);
  return `${head}${reasons.join('')}${toPairs(printable, style)}`;
}
