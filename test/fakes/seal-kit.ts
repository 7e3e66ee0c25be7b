/** What seal tests share: seeded chance, a fixed clock, sources that count reads, sinks that remember. */
import type { Clock, Random } from '../../src/core/ports.ts';
import { SourceError } from '../../src/core/errors.ts';
import { hmacSha256 } from '../../src/core/hash.ts';
import { u32be, u64be } from '../../src/core/bytes.ts';
import { type FileToSeal, sealFiles } from '../../src/seal/index.ts';
import type { ByteSink, ByteSource } from '../../src/source/ports.ts';

/** HMAC in counter mode: the same bytes for the same seed, good enough for keys in tests. */
export function seededRandom(seed: number): Random {
  let counter = 0;
  return {
    fill(into) {
      for (let at = 0; at < into.length; at += 32) {
        const block = hmacSha256(u32be(seed), u64be(counter++));
        into.set(block.subarray(0, Math.min(32, into.length - at)), at);
      }
    },
  };
}

export function seededBytes(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  seededRandom(seed).fill(bytes);
  return bytes;
}

/** An integer in [0, limit) from seeded chance. */
export function seededInt(random: Random, limit: number): number {
  const bytes = new Uint8Array(6);
  random.fill(bytes);
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0) % limit;
}

export function fixedClock(iso = '2026-01-02T03:04:05.678Z'): Clock {
  return { nowMs: () => Date.parse(iso) };
}

/** A buffer as source; `reads` lists every range that was asked for. */
export function countingSource(
  label: string,
  bytes: Uint8Array,
): ByteSource & { reads: { offset: number; length: number }[]; isClosed: boolean } {
  return {
    label,
    size: bytes.length,
    reads: [],
    isClosed: false,
    read(offset, into) {
      this.reads.push({ offset, length: into.length });
      if (offset < 0 || offset + into.length > bytes.length) throw new SourceError('SOURCE_SHORT_READ');
      into.set(bytes.subarray(offset, offset + into.length));
    },
    close() {
      this.isClosed = true;
    },
  };
}

/** Remembers a copy of everything written. */
export function bufferSink(): ByteSink & { bytes(): Uint8Array } {
  const chunks: Uint8Array[] = [];
  return {
    write: (chunk) => {
      chunks.push(chunk.slice());
    },
    bytes: () => new Uint8Array(Buffer.concat(chunks)),
  };
}

export interface TestSeal {
  readonly bytes: Uint8Array;
  readonly dek: Uint8Array;
  readonly dekCheck: Uint8Array;
  readonly plaintext: Uint8Array;
}

/** Seals seeded plaintext (or the given files) under a seeded key with 64 KiB segments. */
export function makeTestSeal(
  options: {
    readonly seed?: number;
    readonly length?: number;
    readonly dek?: Uint8Array;
    readonly files?: readonly { readonly name: string; readonly bytes: Uint8Array }[];
    readonly modelName?: string;
  } = {},
): TestSeal {
  const { seed = 1, length = 200, dek = seededBytes(seed + 1000, 32), modelName = 'net' } = options;
  const contents = options.files ?? [{ name: 'net.onnx', bytes: seededBytes(seed, length) }];
  const files: FileToSeal[] = contents.map(({ name, bytes }) => ({ name, source: countingSource(name, bytes) }));
  const sink = bufferSink();
  const sealed = sealFiles({
    files,
    sink,
    dek,
    model: { name: modelName, version: '1.2' },
    format: 'onnx',
    clock: fixedClock(),
    random: seededRandom(seed + 2000),
    segmentBytes: 64 * 1024,
  });
  const plaintext = new Uint8Array(Buffer.concat(contents.map(({ bytes }) => bytes)));
  return { bytes: sink.bytes(), dek, dekCheck: sealed.dekCheck, plaintext };
}
