/** Options of the command that concern a worker; files that they name are read by each. */
import { z } from 'zod';

export const workerOptionsSchema = z.strictObject({
  /** Absolute path. */
  home: z.string(),
  isQuiet: z.boolean(),
  keyPassphraseFile: z.string().optional(),
  pepperFile: z.string().optional(),
});

export type WorkerOptions = z.infer<typeof workerOptionsSchema>;
