import { createCipheriv } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { freeNow } from './allocator.ts';

const MIB = 1024 * 1024;

const input = new Uint8Array(MIB);

function encryptMib(): Buffer {
  return createCipheriv('aes-256-gcm', new Uint8Array(32), new Uint8Array(12)).update(input);
}

describe('memory that is freed at once', () => {
  test('goes back without the garbage collector, before and after the event loop turns', async () => {
    for (let turn = 0; turn < 3; turn++) {
      const outputs = Array.from({ length: 16 }, encryptMib);
      const held = process.memoryUsage().arrayBuffers;
      for (const output of outputs) freeNow(output);
      expect(held - process.memoryUsage().arrayBuffers).toBeGreaterThanOrEqual(16 * MIB);
      expect(outputs.map((output) => output.length)).toEqual(outputs.map(() => 0));
      await new Promise((done) => setImmediate(done));
    }
  });

  test('views of a part of other memory, and shared memory, stay as they are', () => {
    const whole = new Uint8Array(100).fill(7);
    freeNow(whole.subarray(10, 20));
    const shared = new Uint8Array(new SharedArrayBuffer(10)).fill(7);
    freeNow(shared);
    expect([...whole, ...shared].every((byte) => byte === 7)).toBe(true);
    expect(shared).toHaveLength(10);
  });
});
