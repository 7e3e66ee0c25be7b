/** Where several machines keep what they share: rates of callers, and the tables of keys, budgets and the log. */
import { z } from 'zod';
import { path } from './words.ts';

const MACHINES_MAX = 1024;

/** Where rates are counted. */
export const rateStoreSchema = z
  .discriminatedUnion('kind', [
    /** In this process, or in the first one of this machine. */
    z.strictObject({ kind: z.literal('memory') }),
    z.strictObject({
      kind: z.literal('redis'),
      /** `rediss://[USER@]HOST[:PORT][/NUMBER]`, or `redis://` on this machine; the password is in a file of its own, mode 600. */
      url: z.string().min(1).max(1024),
      /** The server is one of a Redis or Valkey cluster, and tells of the others. */
      cluster: z.boolean().default(false),
      passwordFile: path.optional(),
      /** PEM: the authority of the server's certificate; those of the system without. */
      authority: path.optional(),
      timeoutMs: z.int().min(10).max(5000).default(250),
      /** While the store does not answer: each process counts its share, or nobody is let in. */
      whenAway: z.enum(['share', 'refuse']).default('share'),
      /** Machines that serve; each has as many processes as `workers` says. */
      machines: z.int().min(1).max(MACHINES_MAX),
      /** Before all names in the store. */
      prefix: z
        .string()
        .max(64)
        .regex(/^[A-Za-z0-9:._-]+$/)
        .optional(),
    }),
  ])
  .prefault({ kind: 'memory' });

export type RateStoreConfig = z.infer<typeof rateStoreSchema>;

/** Where keys, budgets and the log are; the home's own files without. */
export const databaseSchema = z
  .union([
    /** `sqlite:FILE`, or `postgres://…` without a password. */
    z.strictObject({ url: z.string().min(1).max(1024) }),
    /** File with the address, mode 600. */
    z.strictObject({ file: path }),
  ])
  .optional();

export type DatabaseConfig = z.infer<typeof databaseSchema>;
