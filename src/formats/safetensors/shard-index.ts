/** The shard index of a large safetensors model: `{"metadata": …, "weight_map": {tensor: file}}`. */
import { type ErrorCode, FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { LIMITS } from '../../core/limits.ts';
import type { ByteSource } from '../../source/ports.ts';
import { expectEnd, JsonProblem, readObject, readString, skipValue, toCursor } from './json.ts';

/**
 * Tensor names and the shard that holds each, in the order of the index.
 * @throws FormatError SAFETENSORS_INDEX | SAFETENSORS_DUPLICATE_KEY | SAFETENSORS_TENSOR_COUNT
 * @see https://huggingface.co/docs/transformers (sharded checkpoints)
 */
export function readShardIndex(source: ByteSource): ReadonlyMap<string, string> {
  const fail = (code: ErrorCode, offset: number, fields: Record<string, string | number> = {}): FormatError =>
    new FormatError(code, { fields: { file: source.label, offset, ...fields } });
  if (source.size > LIMITS.jsonBytesMax) throw fail('SAFETENSORS_INDEX', 0, { size: source.size });
  const bytes = new Uint8Array(source.size);
  source.read(0, bytes);
  const cursor = toCursor(bytes);
  const keys = new Set<string>();
  const shards = new Map<string, string>();
  const assertNew = (seen: { has(key: string): boolean }, key: string, offset: number): void => {
    if (seen.has(key)) throw fail('SAFETENSORS_DUPLICATE_KEY', offset, { key });
  };
  try {
    readObject(cursor, (key, keyStart) => {
      assertNew(keys, key, keyStart);
      if (keys.size >= FORMAT_LIMITS.safetensorsMembersMax) throw new JsonProblem('too many members', keyStart);
      keys.add(key);
      if (key !== 'weight_map') {
        skipValue(cursor);
        return;
      }
      readObject(cursor, (tensor, tensorStart) => {
        assertNew(shards, tensor, tensorStart);
        if (shards.size >= FORMAT_LIMITS.tensorsMax) throw fail('SAFETENSORS_TENSOR_COUNT', tensorStart);
        shards.set(tensor, readString(cursor));
      });
    });
    expectEnd(cursor);
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    throw fail('SAFETENSORS_INDEX', error.offset, { problem: error.message });
  }
  if (!keys.has('weight_map')) throw fail('SAFETENSORS_INDEX', cursor.at, { problem: 'no weight_map' });
  return shards;
}
