/** Opening models from bytes and running plans in memory, for tests. */
import { expect } from 'vitest';
import { type ErrorCode, ModelwardError } from '../../src/core/errors.ts';
import { openModel } from '../../src/formats/registry.ts';
import type { Model } from '../../src/model/types.ts';
import { openBufferSource } from '../../src/source/buffer.ts';
import type { SourceFolder } from '../../src/source/ports.ts';
import { applyRewrite, type RewritePlan } from '../../src/source/rewrite.ts';

/** Opens a model of one file (and what `folder` adds) from memory. */
export function openBytes(bytes: Uint8Array, name: string, folder: SourceFolder | null = null): Model {
  return openModel({ source: openBufferSource(name, bytes), name, folder });
}

/** One output file of a plan. */
export function runPlan(plan: RewritePlan, file = 0): Uint8Array {
  const chunks: Uint8Array[] = [];
  applyRewrite(plan.files[file].ops, { write: (chunk) => chunks.push(chunk.slice()) });
  return new Uint8Array(Buffer.concat(chunks));
}

/** The code of the coded error that `act` throws, undefined when it returns; other errors pass. Readers name offsets. */
export function findCode(act: () => unknown): ErrorCode | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (!(error instanceof ModelwardError)) throw error;
    if (/^(?:SAFETENSORS|ONNX|GGUF|TFLITE|PYTORCH)_/.test(error.code)) expect(error.fields.offset).toBeTypeOf('number');
    return error.code;
  }
}
