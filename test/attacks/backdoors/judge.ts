/** Runs the scan over bytes, as the command does: what cannot be opened is scanned as refused. */
import { ModelwardError } from '../../../src/core/errors.ts';
import { openModel } from '../../../src/formats/registry.ts';
import { openBufferSource } from '../../../src/source/buffer.ts';
import { scanModel, type ScanOptions, type ScanReport } from '../../../src/tamper/index.ts';

export function scanBytes(name: string, bytes: Uint8Array, options: ScanOptions = {}): ScanReport {
  const source = openBufferSource(name, bytes);
  try {
    const model = openModel({ source, name, folder: null });
    return scanModel({ kind: 'model', model }, options);
  } catch (error) {
    if (!(error instanceof ModelwardError)) throw error;
    return scanModel({ kind: 'refused', name, source, error }, options);
  }
}

/** True when something reads like an attack. */
export function isAlarmed({ findings }: ScanReport): boolean {
  return findings.some(({ severity }) => severity === 'high');
}
