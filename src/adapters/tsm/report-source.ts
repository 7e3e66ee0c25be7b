/**
 * Evidence from the Linux kernel: one folder in configfs for each request, removed afterwards.
 * @see Linux Documentation/ABI/testing/configfs-tsm-report (6.7 and newer)
 */
import { join } from 'node:path';
import { toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import type { Random } from '../../core/ports.ts';
import type { CollectedReport, ReportRequest, ReportSource } from '../../attest/ports.ts';
import { nodeTsmFiles, type TsmFiles } from './files.ts';

const TSM_ROOT = '/sys/kernel/config/tsm/report';

/** @throws TypeError from `collect` for report data that is not 1 to 64 bytes */
export function createTsmSource(options: {
  readonly random: Random;
  readonly root?: string;
  readonly files?: TsmFiles;
}): ReportSource {
  const { random, root = TSM_ROOT, files = nodeTsmFiles } = options;
  return {
    collect: (request) => {
      const { length } = request.reportData;
      if (length === 0 || length > ATTEST_LIMITS.reportDataBytes) throw new TypeError('report data has 1 to 64 bytes');
      const entry = join(root, `modelward-${toHex(drawName(random))}`);
      attempt('ATTEST_TSM_UNAVAILABLE', () => {
        files.makeFolder(entry);
      });
      try {
        return request.privilegeLevel === undefined
          ? readReport(files, entry, request.reportData, [])
          : readReport(files, entry, request.reportData, [['privlevel', `${request.privilegeLevel}`]]);
      } finally {
        files.removeFolder(entry);
      }
    },
  };
}

/** A name that nobody else uses, so that nobody else writes into the request. */
function drawName(random: Random): Uint8Array {
  const name = new Uint8Array(8);
  random.fill(name);
  return name;
}

/**
 * The kernel counts writes in `generation`: when there were others than ours, the report may answer somebody else's
 * request, and is thrown away.
 */
function readReport(
  files: TsmFiles,
  entry: string,
  reportData: ReportRequest['reportData'],
  settings: readonly (readonly [string, string])[],
): CollectedReport {
  const readGeneration = () => readNumber(files.read(join(entry, 'generation')));
  return attempt('ATTEST_TSM_REFUSED', () => {
    const before = readGeneration();
    for (const [name, value] of settings) files.write(join(entry, name), Buffer.from(value));
    files.write(join(entry, 'inblob'), reportData);
    const outblob = files.read(join(entry, 'outblob'));
    const auxblob = readOptional(files, join(entry, 'auxblob'));
    const provider = Buffer.from(files.read(join(entry, 'provider')))
      .toString('latin1')
      .trim();
    const after = readGeneration();
    if (after !== before + settings.length + 1 || outblob.length === 0) {
      throw new AttestError('ATTEST_TSM_INTERFERED', { fields: { before, after, writes: settings.length + 1 } });
    }
    return { provider, outblob, auxblob };
  });
}

function readNumber(bytes: Uint8Array): number {
  const text = Buffer.from(bytes).toString('latin1').trim();
  if (!/^\d{1,15}$/.test(text)) throw new AttestError('ATTEST_TSM_REFUSED', { fields: { at: 'generation' } });
  return Number(text);
}

/** Providers without certificates have no `auxblob`. */
function readOptional(files: TsmFiles, path: string): Uint8Array {
  try {
    return files.read(path);
  } catch (cause) {
    if (isMissing(cause)) return new Uint8Array();
    throw cause;
  }
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}

function attempt<T>(code: 'ATTEST_TSM_UNAVAILABLE' | 'ATTEST_TSM_REFUSED', work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof AttestError) throw cause;
    const system = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new AttestError(code, { fields: { system }, cause });
  }
}
