/** Puts the processes of a cluster in. */
import { fileURLToPath } from 'node:url';
import { createForker, type ForkedWorker, openPrimaryLine } from '../../../../adapters/cluster-line/index.ts';

export { openPrimaryLine };

/** The built entry of a worker. */
const GATEWAY_WORKER = fileURLToPath(new URL('../../../gateway-worker/compose.js', import.meta.url));

export function openForker(): () => ForkedWorker {
  return createForker({ scriptPath: GATEWAY_WORKER });
}
