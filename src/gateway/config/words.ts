/** Texts of a configuration. */
import { z } from 'zod';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';

/** Of a file; relative ones count from the folder of the configuration. */
export const path = z.string().min(1).max(4096);
/** Of a model, a version, a server behind. */
export const name = z
  .string()
  .max(GATEWAY_LIMITS.nameCharsMax)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
