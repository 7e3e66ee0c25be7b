/** What the processes of a gateway say to each other, checked where it arrives. */
import { z } from 'zod';
import type { GatewayConfig } from '../../../gateway/index.ts';
import type { DType } from '../../../model/dtype.ts';
import { ledgerNameSchema } from './cluster-ledger.ts';

/** What a worker is told when it starts; `config` is checked like any other configuration, `options` are the command's. */
export const taskSchema = z.strictObject({ config: z.unknown(), ledger: ledgerNameSchema, options: z.unknown() });
export type WorkerTask = z.infer<typeof taskSchema>;

export const startedSchema = z.strictObject({
  port: z.int().min(0).max(65_535),
  /** What runs models. */
  runtimes: z.array(z.string().max(100)).max(8),
});
export const stoppedSchema = z.strictObject({ isWhole: z.boolean() });

export const checkpointNewsSchema = z.strictObject({
  stream: z.string().regex(/^[0-9a-z]{1,64}$/),
  seq: z.int().min(0),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
});

const terms = z.strictObject({ isSignatureFree: z.boolean() });
/** The first process has read and checked the configuration. */
export const changeSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('config'), config: z.custom<GatewayConfig>(isObject), terms }),
  z.strictObject({ kind: z.literal('model'), name: z.string(), version: z.string(), terms }),
]);

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

const tensors = z
  .array(
    z.strictObject({
      name: z.string(),
      dtype: z.custom<DType>((value) => typeof value === 'string'),
      shape: z.array(z.int().nullable()).readonly(),
    }),
  )
  .readonly();

/** What is seen of a worker. */
export const statusSchema = z.strictObject({
  models: z.array(
    z.strictObject({
      ...{ name: z.string(), version: z.string(), isReady: z.boolean(), isBatched: z.boolean() },
      load: z.int().min(0),
      signature: z.strictObject({ inputs: tensors, outputs: tensors }),
    }),
  ),
  upstreams: z.array(z.strictObject({ name: z.string(), isReady: z.boolean() })),
});
export type WorkerStatus = z.infer<typeof statusSchema>;
