/** Options of the commands that verify evidence. */
import { type Command, InvalidArgumentError } from 'commander';
import { findHexBytes } from '../../../core/bytes.ts';
import { CliError } from '../../../core/errors.ts';
import type { VerifyEvidenceOptions } from '../../../workflows/attest/index.ts';
import { type CliContext, toPathOption } from '../../context.ts';

export interface VerifyFlags {
  /** False for --no-collateral. */
  readonly collateral?: readonly string[] | false;
  readonly at?: number;
  readonly akRoot?: string;
}

export function addVerifyOptions(command: Command): Command {
  return command
    .argument('<evidence>', 'report, quote or document as the hardware gave it, or an evidence file in JSON')
    .option(
      '--collateral <files...>',
      'certificates and revocation lists (PEM, DER), collateral of a quote (JSON), or the folder of "attest fetch"',
    )
    .option('--no-collateral', 'SGX and TDX: signatures alone; the patch level stays unknown')
    .option(
      '--at <time>',
      'judge for this time (2025-06-30T12:00:00Z) instead of now: for evidence of the past',
      toTimeMs,
    )
    .option('--ak-root <file>', 'TPM: roots (PEM) that certify attestation keys');
}

export function toVerifyOptions(context: CliContext, flags: VerifyFlags, path: string): VerifyEvidenceOptions {
  const { collateral, at, akRoot } = flags;
  const files = collateral === undefined || collateral === false ? [] : collateral;
  return {
    path: context.toAbsolute(path),
    collateralPaths: files.map((file) => context.toAbsolute(file)),
    atMs: at ?? null,
    isWithoutCollateral: collateral === false,
    ...toPathOption(context, 'akRootPath', akRoot),
  };
}

/** Said before the work, so that no error hides it, and even when quiet. */
export function warnOfLimits(context: CliContext, { at, collateral }: VerifyFlags): void {
  if (at !== undefined) {
    context.ui.warn(`judged for ${new Date(at).toISOString()}, NOT for now: this proves nothing about the present`);
  }
  if (collateral === false) {
    context.ui.warn(
      'verified WITHOUT collateral: nothing is known about patch level and revocation of an Intel platform',
    );
  }
}

/** Bytes of hex. @throws InvalidArgumentError */
export function toHexArgument(text: string): Uint8Array {
  const bytes = findHexBytes(text);
  if (bytes === undefined || bytes.length === 0) throw new InvalidArgumentError('Not an even number of hex digits.');
  return bytes;
}

/** @throws CliError CLI_USAGE when `bytes` is outside the bounds */
export function assertLength(name: string, bytes: Uint8Array | undefined, min: number, max: number): void {
  if (bytes === undefined || (bytes.length >= min && bytes.length <= max)) return;
  throw new CliError('CLI_USAGE', { message: `${name} takes ${min} to ${max} bytes of hex, not ${bytes.length}.` });
}

/** An instant with its zone: a date alone would be another one in every place. */
function toTimeMs(text: string): number {
  const ms = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text) || !Number.isFinite(ms)) {
    throw new InvalidArgumentError('Not a time such as 2025-06-30T12:00:00Z.');
  }
  return ms;
}
