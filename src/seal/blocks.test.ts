import { describe, expect, test } from 'vitest';
import { bufferSink, countingSource, fixedClock, seededBytes, seededRandom } from '../../test/fakes/seal-kit.ts';
import type { ByteSink } from '../source/ports.ts';
import { createBlockWriter } from './blocks.ts';
import { openSealTo, sealFiles } from './index.ts';

const MIB = 1024 * 1024;

/** Keeps the lengths of what is written, and the memory itself. */
function lengthSink(): ByteSink & { readonly lengths: number[]; readonly chunks: Uint8Array[] } {
  const lengths: number[] = [];
  const chunks: Uint8Array[] = [];
  return {
    lengths,
    chunks,
    write(chunk) {
      lengths.push(chunk.length);
      chunks.push(chunk);
    },
  };
}

describe('blocks', () => {
  test('parts of any length leave as blocks of 1 MiB, and what is left when flushed', () => {
    const sink = bufferSink();
    const lengths = lengthSink();
    const parts = [0, 1, 16, 3 * MIB + 5, 256 * 1024, MIB, 7].map((length, index) =>
      Uint8Array.from({ length }, (_, at) => at * 31 + (at >> 8) + index),
    );
    const blocks = createBlockWriter();
    for (const target of [sink, lengths]) {
      for (const part of parts) blocks.write(target, part);
      blocks.flush(target);
      blocks.flush(target);
    }
    expect(Buffer.compare(sink.bytes(), Buffer.concat(parts))).toBe(0);
    expect(lengths.lengths).toEqual([MIB, MIB, MIB, MIB, 256 * 1024 + 29]);
  });

  test('a file is sealed, and each file opened, in blocks from its own start; no plaintext is left in them', () => {
    const files = [MIB + 10, 0, 3, 2 * MIB].map((length, index) => ({
      name: `file${index}`,
      source: countingSource(`file${index}`, new Uint8Array(length).fill(0x5a)),
    }));
    const dek = seededBytes(1, 32);
    const sealed = bufferSink();
    const sizes = lengthSink();
    const sink = {
      write(chunk: Uint8Array) {
        sealed.write(chunk);
        sizes.write(chunk);
      },
    };
    const model = { name: 'm' };
    sealFiles({ files, sink, dek, model, format: 'bytes', clock: fixedClock(), random: seededRandom(1) });
    expect(sizes.lengths.slice(0, -1)).toEqual([MIB, MIB, MIB]);
    const sinks: ReturnType<typeof lengthSink>[] = [];
    const sinkFor = (): ByteSink => {
      sinks.push(lengthSink());
      return sinks[sinks.length - 1];
    };
    openSealTo({ source: countingSource('m', sealed.bytes()), dek, sinkFor });
    expect(sinks.map(({ lengths }) => lengths)).toEqual([[MIB, 10], [], [3], [MIB, MIB]]);
    const kept = sinks.flatMap(({ chunks }) => chunks);
    expect(kept.every((chunk) => chunk.every((byte) => byte === 0))).toBe(true);
  });
});
