/** Processes that answer. */
import { z } from 'zod';
import { CLUSTER_LIMITS } from '../../core/limits/cluster.ts';

/** Each holds the models anew. */
export const workersSchema = z.int().min(1).max(CLUSTER_LIMITS.workersMax).default(1);
