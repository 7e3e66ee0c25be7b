import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { concatBytes, toHex, u32be, utf8 } from '../../core/bytes.ts';
import { createFrameReceiver, type Frame, sendFrame } from './frames.ts';

async function toWire(...frames: { head: object; payload?: Uint8Array }[]): Promise<Uint8Array> {
  const pipe = new PassThrough();
  const chunks: Buffer[] = [];
  // A copy at once: the sender wipes its bytes after writing.
  pipe.on('data', (chunk: Buffer) => chunks.push(Buffer.from(chunk)));
  for (const { head, payload } of frames) await sendFrame(pipe, head, payload);
  return new Uint8Array(Buffer.concat(chunks));
}

function receive(wire: Uint8Array, chunkBytes: number): { frames: Frame[]; broken: number; chunks: Uint8Array[] } {
  const result = { frames: [] as Frame[], broken: 0, chunks: [] as Uint8Array[] };
  const onChunk = createFrameReceiver({
    onFrame: (frame) => result.frames.push(frame),
    onBroken: () => result.broken++,
  });
  for (let at = 0; at < wire.length; at += chunkBytes) {
    const chunk = wire.slice(at, at + chunkBytes);
    result.chunks.push(chunk);
    onChunk(chunk);
  }
  return result;
}

describe('frames', () => {
  const sent = [
    { head: { kind: 'a', text: 'ü' }, payload: Uint8Array.of(1, 2, 3) },
    { head: { kind: 'b' } },
    { head: { kind: 'c' }, payload: new Uint8Array(70_000).fill(9) },
  ];

  test.each([1, 3, 7, 8, 9, 64, 65_536, 1_000_000])('arrive whole and in order in chunks of %i bytes', async (size) => {
    const { frames, broken } = receive(await toWire(...sent), size);
    expect(broken).toBe(0);
    expect(frames.map(({ head }) => head)).toEqual(sent.map(({ head }) => head));
    expect(frames.map(({ payload }) => toHex(payload))).toEqual(
      sent.map(({ payload }) => toHex(payload ?? new Uint8Array())),
    );
  });

  test('what was received is wiped, and a payload has memory of its own', async () => {
    const { frames, chunks } = receive(await toWire({ head: {}, payload: new Uint8Array(32).fill(7) }), 10);
    expect(chunks.every((chunk) => chunk.every((byte) => byte === 0))).toBe(true);
    expect(frames[0].payload).toEqual(new Uint8Array(32).fill(7));
    expect(frames[0].payload.buffer.byteLength).toBe(32);
  });

  test('what is no frame breaks the pipe once: lengths beyond the caps, bad JSON, no object', () => {
    const frame = (json: Uint8Array): Uint8Array => concatBytes(u32be(json.length), u32be(0), json);
    for (const wire of [
      concatBytes(u32be(1024 * 1024 + 1), u32be(0)),
      concatBytes(u32be(0), u32be(0x80000000)),
      frame(utf8('{')),
      frame(utf8('"text"')),
      frame(utf8('null')),
      frame(Uint8Array.of(0xff)),
    ]) {
      const { frames, broken } = receive(concatBytes(wire, wire), 5);
      expect(frames).toEqual([]);
      expect(broken).toBe(1);
    }
  });
});
