/** The one error class family: a code from a closed union, evidence as fields, the cause kept. */
import { adminErrors } from './errors/admin.ts';
import { alignErrors } from './errors/align.ts';
import { apiKeyErrors } from './errors/api-keys.ts';
import { attestErrors } from './errors/attest.ts';
import { brokerErrors } from './errors/broker.ts';
import { cliErrors } from './errors/cli.ts';
import { clusterErrors } from './errors/cluster.ts';
import { databaseErrors } from './errors/database.ts';
import { formatsErrors } from './errors/formats.ts';
import { gatewayErrors } from './errors/gateway.ts';
import { integrityErrors } from './errors/integrity.ts';
import { labErrors } from './errors/lab.ts';
import { ledgerErrors } from './errors/ledger.ts';
import { licenseErrors } from './errors/license.ts';
import { licenseDeviceErrors } from './errors/license-device.ts';
import { licenseExchangeErrors } from './errors/license-exchange.ts';
import { omsErrors } from './errors/oms.ts';
import { queueErrors } from './errors/queue.ts';
import { remoteErrors } from './errors/remote.ts';
import { runtimeErrors } from './errors/runtime.ts';
import { sealErrors } from './errors/seal.ts';
import { signErrors } from './errors/sign.ts';
import { sourceErrors } from './errors/source.ts';
import { type ErrorRow, EXIT, type ExitCode } from './errors/table.ts';
import { surgeryErrors } from './errors/surgery.ts';
import { tamperErrors } from './errors/tamper.ts';
import { tlsErrors } from './errors/tls.ts';
import { tpmErrors } from './errors/tpm.ts';
import { upstreamErrors } from './errors/upstream.ts';
import { watermarkErrors } from './errors/watermark.ts';
import { workflowsErrors } from './errors/workflows.ts';

/** Every code of the product; `docs/errors.md` lists the same rows, and a test compares the two. */
export const ERRORS = {
  ...sourceErrors,
  ...formatsErrors,
  ...signErrors,
  ...omsErrors,
  ...alignErrors,
  ...surgeryErrors,
  ...watermarkErrors,
  ...remoteErrors,
  ...tamperErrors,
  ...sealErrors,
  ...tpmErrors,
  ...ledgerErrors,
  ...attestErrors,
  ...licenseErrors,
  ...licenseDeviceErrors,
  ...licenseExchangeErrors,
  ...brokerErrors,
  ...gatewayErrors,
  ...clusterErrors,
  ...integrityErrors,
  ...tlsErrors,
  ...upstreamErrors,
  ...apiKeyErrors,
  ...adminErrors,
  ...labErrors,
  ...runtimeErrors,
  ...queueErrors,
  ...databaseErrors,
  ...workflowsErrors,
  ...cliErrors,
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** Evidence that travels with an error: names, offsets, digests, limits. Never a key, token or input. */
export type ErrorFields = Readonly<Record<string, string | number | boolean | null | readonly (string | number)[]>>;

export interface ModelwardErrorOptions {
  /** One sentence that replaces the table's; it must not carry secrets. */
  readonly message?: string;
  readonly fields?: ErrorFields;
  readonly cause?: unknown;
}

/** The base of every coded error. `code` is stable across releases; messages are not. */
export class ModelwardError extends Error {
  readonly code: ErrorCode;
  readonly fields: ErrorFields;

  constructor(code: ErrorCode, options: ModelwardErrorOptions = {}) {
    super(options.message ?? ERRORS[code].message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.fields = options.fields ?? {};
  }

  get exit(): ExitCode {
    return ERRORS[this.code].exit;
  }

  get row(): ErrorRow {
    return ERRORS[this.code];
  }
}

export class SourceError extends ModelwardError {}
export class FormatError extends ModelwardError {}
export class SignError extends ModelwardError {}
export class ModelSigningError extends ModelwardError {}
export class AlignError extends ModelwardError {}
export class SurgeryError extends ModelwardError {}
export class WatermarkError extends ModelwardError {}
export class RemoteError extends ModelwardError {}
export class TamperError extends ModelwardError {}
export class SealError extends ModelwardError {}
export class AttestError extends ModelwardError {}
export class TpmError extends ModelwardError {}
export class LicenseError extends ModelwardError {}
export class BrokerError extends ModelwardError {}
export class GatewayError extends ModelwardError {}
export class TlsError extends ModelwardError {}
export class LabError extends ModelwardError {}
export class LedgerError extends ModelwardError {}
export class RuntimeError extends ModelwardError {}
export class DatabaseError extends ModelwardError {}
export class QueueError extends ModelwardError {}
export class WorkflowError extends ModelwardError {}
export class CliError extends ModelwardError {}

export { EXIT, type ErrorRow, type ExitCode };
