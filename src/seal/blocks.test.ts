import { describe, expect, test } from 'vitest';
import { bufferSink } from '../../test/fakes/seal-kit.ts';
import { createBlockWriter } from './blocks.ts';

const MIB = 1024 * 1024;

describe('blocks', () => {
  test('parts of any length leave as blocks of 1 MiB, and what is left when flushed', () => {
    const bytes = bufferSink();
    const lengths: number[] = [];
    const sink = {
      write(chunk: Uint8Array) {
        bytes.write(chunk);
        lengths.push(chunk.length);
      },
    };
    const parts = [0, 1, 16, 3 * MIB + 5, 256 * 1024, MIB, 7].map((length, index) =>
      Uint8Array.from({ length }, (_, at) => at * 31 + (at >> 8) + index),
    );
    const blocks = createBlockWriter(sink);
    for (const part of parts) blocks.take(part);
    blocks.flush();
    blocks.flush();
    expect(Buffer.compare(bytes.bytes(), Buffer.concat(parts))).toBe(0);
    expect(lengths).toEqual([MIB, MIB, MIB, MIB, 256 * 1024 + 29]);
  });
});
