import { runJobQueueSuite } from '../conformance/job-queue.ts';
import { createMemoryQueue } from './memory-queue.ts';

runJobQueueSuite({
  name: 'memory',
  make: () => {
    const queue = createMemoryQueue();
    return Promise.resolve({ queue, again: () => Promise.resolve(queue), endLease: queue.endLease });
  },
});
