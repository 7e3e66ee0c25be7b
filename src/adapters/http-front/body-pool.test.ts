import { describe, expect, test } from 'vitest';
import { useFronts } from '../../../test/http-front/kit.ts';
import { HTTP_FRONT_LIMITS } from '../../core/limits/http-front.ts';
import { BodyPool } from './body-pool.ts';

const BYTES = 600_000;
const open = useFronts();

async function send(port: number, text: string): Promise<void> {
  const body = Buffer.alloc(BYTES, text);
  const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body });
  expect(await answer.text()).toBe('ok');
}

describe('memory of bodies', () => {
  test('is used again for bodies of about the same size, and what stood in it is gone', () => {
    const pool = new BodyPool();
    const block = pool.take(BYTES);
    expect(block.length).toBeGreaterThanOrEqual(BYTES);
    block.fill('secret', 0, BYTES);
    pool.give(block, BYTES);
    const again = pool.take(BYTES - 1000);
    expect(again).toBe(block);
    expect(again.includes('secret')).toBe(false);
    expect(pool.freeBytes).toBe(0);
  });

  test('that is in use is nobody else’s, and small bodies get no large blocks', () => {
    const pool = new BodyPool();
    const [one, other] = [pool.take(BYTES), pool.take(BYTES)];
    expect(one.buffer).not.toBe(other.buffer);
    pool.give(one, BYTES);
    expect(pool.take(BYTES / 4)).not.toBe(one);
    expect(pool.take(BYTES * 2)).not.toBe(one);
  });

  test('is kept up to a cap, and let go of once nobody needs it', () => {
    const pool = new BodyPool();
    const blocks = Array.from({ length: 80 }, () => pool.take(BYTES));
    for (const block of blocks) pool.give(block, BYTES);
    expect(pool.freeBytes).toBeGreaterThan(0);
    expect(pool.freeBytes).toBeLessThanOrEqual(HTTP_FRONT_LIMITS.bodyPoolBytesMax);
    pool.trim();
    // One is needed all the time.
    for (let round = 0; round < 3; round++) {
      pool.give(pool.take(BYTES), BYTES);
      pool.trim();
    }
    expect(pool.freeBytes).toBe(pool.take(BYTES).length);
    pool.trim();
    expect(pool.freeBytes).toBe(0);
  });
});

describe('a body of a request', () => {
  const answer = { status: 200, headers: [], body: Buffer.from('ok') };

  test('lies in the memory of the one before, once that was answered and nobody has a view of it', async () => {
    const bodies: Uint8Array[] = [];
    const { front } = await open({
      handler: (request) => {
        bodies.push(request.body);
        expect(Buffer.from(request.body).equals(Buffer.alloc(BYTES, `text ${bodies.length}`))).toBe(true);
        request.freeBody?.();
        return Promise.resolve(answer);
      },
    });
    for (let nr = 1; nr <= 3; nr++) {
      await send(front.port, `text ${nr}`);
      // The front has it back when its own answer is out, which may be after the client has it.
      while (bodies[nr - 1].some((byte) => byte !== 0)) await new Promise(setImmediate);
    }
    expect(bodies[1].buffer).toBe(bodies[0].buffer);
    expect(bodies[2].buffer).toBe(bodies[0].buffer);
  });

  test('stays as it is where nobody has said that he is done with it', async () => {
    const bodies: Uint8Array[] = [];
    const { front } = await open({
      handler: (request) => {
        bodies.push(request.body);
        return Promise.resolve(answer);
      },
    });
    for (let nr = 1; nr <= 3; nr++) await send(front.port, `text ${nr}`);
    bodies.forEach((body, i) => {
      expect(Buffer.from(body).equals(Buffer.alloc(BYTES, `text ${i + 1}`))).toBe(true);
    });
  });
});
