/** Models that the gateway holds itself. */
import { z } from 'zod';
import { brokerSchema } from './guest.ts';
import { name, path } from './words.ts';

export const modelSchema = z.strictObject({
  /** As callers name it. */
  name,
  version: name.default('1'),
  /** ONNX file, or a sealed one. */
  file: path,
  /** Folder of the data files of a plain model. */
  dataRoot: path.optional(),
  /** Of a sealed model: URI of the key that wraps its data key, and the envelope; the home's without. */
  key: z.string().max(1024).optional(),
  envelope: path.optional(),
  /** Of a sealed model inside attested hardware: who releases its data key, in place of key and envelope. */
  broker: brokerSchema.optional(),
  /** Runs at a time, and threads inside one of them. */
  instances: z.int().min(1).max(64).default(1),
  threads: z.int().min(1).max(64).default(1),
  /** Rows of a run that requests share; 1 for none. */
  batchRows: z.int().min(1).max(4096).default(32),
  queue: z.int().min(1).max(100_000).default(256),
  runTimeoutMs: z.int().min(10).max(600_000).default(30_000),
});
