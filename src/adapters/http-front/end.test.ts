/** The end of a front: what is under way, what is on its way, and what is let go. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { openRaw, toRawClient, useFronts } from '../../../test/http-front/kit.ts';
import type { GatewayAnswer } from '../../gateway/ports.ts';

const open = useFronts();
const ASK = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n';
const never = (): Promise<GatewayAnswer> => new Promise(() => undefined);

describe('the end', () => {
  test('drain: answers that are under way are sent, with "connection: close"; new connections are refused', async () => {
    let answer: (made: GatewayAnswer) => void = () => undefined;
    const { front, seen } = await open({
      handler: () =>
        new Promise((done) => {
          answer = done;
        }),
    });
    const [busy, idle] = [openRaw(front.port), openRaw(front.port)];
    busy.socket.write(ASK);
    await expect.poll(() => seen.length).toBe(1);
    const drained = front.drain(10_000);
    expect(await idle.closed()).toBe('');
    const late = openRaw(front.port);
    await late.closed();
    expect(late.text()).toBe('');
    answer({ status: 200, headers: [], body: Buffer.from('last') });
    expect(await drained).toBe(true);
    expect(await busy.closed()).toMatch(/\r\nconnection: close\r\n[^]*last$/);
  });

  test('what was on its way when the end began is answered: of a connection that was kept, and of one that had just been made', async () => {
    const { front } = await open({});
    const [kept, made] = [openRaw(front.port), openRaw(front.port)];
    kept.socket.write(ASK);
    expect(await kept.until(/200 OK/)).not.toMatch(/connection: close/);
    await expect.poll(() => made.socket.readyState).toBe('open');
    // Time to be let in.
    await new Promise((done) => setTimeout(done, 50));
    const drained = front.drain(10_000);
    kept.socket.write(ASK);
    await new Promise((done) => setTimeout(done, 400));
    made.socket.write(ASK);
    expect(await kept.closed()).toMatch(/200 OK[^]*200 OK[^]*\r\nconnection: close\r\n/);
    expect(await made.closed()).toMatch(/200 OK[^]*\r\nconnection: close\r\n/);
    expect(await drained).toBe(true);
  });

  test('before it, connections are taken, and each has one more answer: none is kept by a balancer when they are closed', async () => {
    const { front } = await open({});
    const kept = openRaw(front.port);
    kept.socket.write(ASK);
    await kept.until(/200 OK/);
    front.beginDraining();
    kept.socket.write(ASK);
    expect(await kept.closed()).toMatch(/200 OK[^]*200 OK[^]*\r\nconnection: close\r\n/);
    const late = openRaw(front.port);
    late.socket.write(ASK);
    expect(await late.closed()).toMatch(/200 OK[^]*\r\nconnection: close\r\n/);
    expect(await front.drain(10_000)).toBe(true);
  });

  test('a request that was sent before its client saw the end of the connection is not taken: no answer could reach it', async () => {
    const { front, seen } = await open({});
    const client = toRawClient(connect({ port: front.port, host: '127.0.0.1', allowHalfOpen: true }));
    client.socket.write(ASK);
    await client.until(/200 OK/);
    front.stopAccepting();
    client.socket.write(ASK);
    await once(client.socket, 'end');
    client.socket.end();
    await client.closed();
    expect([seen.length, front.stats.requests]).toEqual([1, 1]);
  });

  test('drain says when something was still under way; close ends it', async () => {
    const { front, seen } = await open({ handler: never });
    const client = openRaw(front.port);
    client.socket.write(ASK);
    await expect.poll(() => seen.length).toBe(1);
    expect(await front.drain(50)).toBe(false);
    await front.close();
    expect(await client.closed()).toBe('');
    expect(seen[0].signal.aborted).toBe(true);
  });
});
