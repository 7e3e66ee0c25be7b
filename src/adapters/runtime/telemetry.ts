/** Telemetry of onnxruntime is switched off before any of its code loads. */
import { isMainThread } from 'node:worker_threads';
import { RuntimeError } from '../../core/errors.ts';

const SWITCH = 'ORT_DISABLE_TELEMETRY';

/**
 * Sets ORT_DISABLE_TELEMETRY=1 for this process and what it starts. Version 1.30 of the native library otherwise
 * sends the graph's name and a persistent device id, and keeps a queue in the user's cache folder; it reads the
 * variable once, when it loads.
 * @throws RuntimeError RUNTIME_TELEMETRY_ON in a worker thread whose parent did not set it: a worker's `process.env`
 *   is a copy that the native library never sees
 */
export function switchTelemetryOff(): void {
  if (process.env[SWITCH] === '1') return;
  if (!isMainThread) throw new RuntimeError('RUNTIME_TELEMETRY_ON');
  process.env[SWITCH] = '1';
}
