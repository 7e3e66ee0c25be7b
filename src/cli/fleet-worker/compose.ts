/** Entry of the worker threads of `modelward graph apply`; the pool starts the built file. */
import { serveJobs } from '../../adapters/worker-pool/index.ts';
import { silentProgress } from '../../core/ports.ts';
import { nodeStorage } from '../../source/node-storage.ts';
import { type FleetJob, runFleetJob } from '../../workflows/graph/fleet.ts';

serveJobs((job) => runFleetJob({ storage: nodeStorage, progress: silentProgress }, job as FleetJob));
