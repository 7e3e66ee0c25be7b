/** Entry of the threads that read large bodies and write large answers for the gateway; the host starts the built file. */
import { giveWay, keepYoungSmall } from '../../adapters/system/index.ts';
import { serveJobs } from '../../adapters/worker-pool/index.ts';
import { type ReadJob, runReadJob } from '../../gateway/targets/body-reader.ts';

keepYoungSmall();
giveWay();
serveJobs((job) => runReadJob(job as ReadJob));
