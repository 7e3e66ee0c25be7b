/** The graph as onnxruntime-node saves it after its own optimisations. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A variable, so that the compiler does not look for the types of a package that may be absent. */
const PACKAGE = 'onnxruntime-node' as string;

export type OptimisationLevel = 'basic' | 'extended' | 'all';

interface Ort {
  readonly env: { logLevel: string };
  readonly InferenceSession: {
    create(model: Uint8Array, options: object): Promise<{ release(): Promise<void> }>;
  };
}

export async function optimise(model: Uint8Array, level: OptimisationLevel): Promise<Uint8Array> {
  const ort = (await import(PACKAGE)) as Ort;
  ort.env.logLevel = 'fatal';
  const folder = mkdtempSync(join(tmpdir(), 'modelward-optimised-'));
  try {
    const optimizedModelFilePath = join(folder, 'model.onnx');
    const options = { graphOptimizationLevel: level, optimizedModelFilePath, logSeverityLevel: 4 };
    const session = await ort.InferenceSession.create(model, options);
    await session.release();
    return readFileSync(optimizedModelFilePath);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
