/** Entry of the threads that read large bodies for the gateway; the host starts the built file. */
import { keepYoungSmall } from '../../adapters/system/index.ts';
import { serveJobs } from '../../adapters/worker-pool/index.ts';
import { type ReadJob, runReadJob } from '../../gateway/targets/body-reader.ts';

keepYoungSmall();
serveJobs((job) => runReadJob(job as ReadJob));
