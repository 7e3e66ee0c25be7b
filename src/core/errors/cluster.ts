/** Error codes of a gateway that answers in several processes. */
import { defineErrors, EXIT } from './table.ts';

export const clusterErrors = defineErrors({
  GATEWAY_WORKER_ENDED: {
    message: 'A process that answers has ended.',
    exit: EXIT.environment,
    http: 503,
    fix: 'It is started again by itself; where that comes again, look for its reason in the journal, and at the memory of the machine.',
  },
  GATEWAY_WORKERS_FAILING: {
    message: 'Processes that answer end again and again.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Look for the reason in the journal; serve with "workers: 1" to see it alone.',
  },
});
