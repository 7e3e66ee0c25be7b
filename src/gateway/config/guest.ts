/** What a gateway inside attested hardware is told: who releases its keys, and under which names it vouches for itself. */
import { z } from 'zod';
import { path } from './words.ts';

/** The key broker that releases a model's data key to this machine, by what the hardware says of it. */
export const brokerSchema = z.strictObject({
  url: z.url({ protocol: /^https$/ }).max(2048),
  /** As the policy of the broker names it. */
  resource: z
    .string()
    .max(512)
    .regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*){2}$/),
  /** What this machine is: a confidential VM of AMD or Intel, or an SGX enclave under Gramine. */
  tee: z.enum(['snp', 'tdx', 'sgx']),
  /** PEM: its authority; those of the system without. */
  ca: path.optional(),
});

/** Certificates that are made inside, and evidence that binds them to the hardware. */
export const attestedSchema = z.strictObject({
  /** DNS names and addresses of the gateway. */
  names: z.array(z.string().min(1).max(253)).min(1).max(32),
  /** Folder for authority and evidence, which callers get. */
  out: path,
});

export type BrokerConfig = z.infer<typeof brokerSchema>;
export type AttestedConfig = z.infer<typeof attestedSchema>;
