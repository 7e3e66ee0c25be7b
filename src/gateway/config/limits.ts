/** Caps, rates and budgets. */
import { z } from 'zod';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import { frontShape } from './front.ts';
import { rateStoreSchema } from './store.ts';

const budget = z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional();
export const budgetsSchema = z.strictObject({ daily: budget, lifetime: budget });

export const limitsSchema = z
  .strictObject({
    bodyBytesMax: z.int().min(1).max(GATEWAY_LIMITS.bodyBytesCeiling).default(GATEWAY_LIMITS.bodyBytesMax),
    ...frontShape,
    answerBytesMax: z.int().min(1).max(GATEWAY_LIMITS.bodyBytesCeiling).default(GATEWAY_LIMITS.answerBytesMax),
    batchMax: z.int().min(1).max(100_000).default(GATEWAY_LIMITS.batchMax),
    /** Failures to show a credential, of one address. */
    failuresPerMinute: z.int().min(1).max(100_000).default(60),
    store: rateStoreSchema,
    /** How long readiness is denied before the end begins: for load balancers to look elsewhere. */
    drainDelayMs: z.int().min(0).max(600_000).default(0),
    drainTimeoutMs: z.int().min(0).max(600_000).default(GATEWAY_LIMITS.drainTimeoutMs),
  })
  .prefault({});
