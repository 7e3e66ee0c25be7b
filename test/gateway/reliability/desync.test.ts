/** The gateway and a server behind count the same requests, whatever bytes a client sends (RFC 9112, section 11.2). */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openRaw } from '../../http-front/kit.ts';
import { useGateways } from '../proxy-kit.ts';

const open = useGateways();
const PATH = '/predictions/torchserve-model';
/** A request that hides where the body of another one should be. */
const HIDDEN = 'POST /smuggled HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Length: 0\r\n\r\n';

const lengths = ['Content-Length: 8', 'Content-Length: 0', 'content-length:8', 'Content-Length : 8', 'Content-Length: 8, 8', 'Content-Length: +8', 'Content-Length: 008', 'Content-Length: 8 ', 'Content_Length: 8', 'X: y\nContent-Length: 8', 'Content-Length:\t8', `Content-Length: ${HIDDEN.length}`] as const; // biome-ignore format: one line
const codings = ['Transfer-Encoding: chunked', 'transfer-encoding:chunked', 'Transfer-Encoding : chunked', 'Transfer-Encoding: xchunked', 'Transfer-Encoding: chunked, identity', 'Transfer-Encoding: identity', 'Transfer-Encoding:\x0bchunked', 'Transfer-Encoding: Chunked', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding:\r\n chunked', 'X: y\rTransfer-Encoding: chunked', 'Transfer_Encoding: chunked'] as const; // biome-ignore format: one line
const others = ['Connection: keep-alive', 'Connection: close', 'Connection: content-length', 'Connection: transfer-encoding', 'Expect: 100-continue', 'Upgrade: h2c', 'X-Forwarded-Host: y', 'Host: y', 'Trailer: content-length', 'TE: trailers', 'Content-Encoding: gzip', `X-Padding: ${'p'.repeat(900)}`] as const; // biome-ignore format: one line
const bodies = ['[[1,2]] ', '8\r\n[[1,2]] \r\n0\r\n\r\n', '0\r\n\r\n', '', '8;a=b\r\n[[1,2]] \r\n0\r\nX: y\r\n\r\n', '8\n[[1,2]] \r\n0\r\n\r\n', '08\r\n[[1,2]] \r\n0\r\n\r\n', '0x8\r\n[[1,2]] \r\n0\r\n\r\n', '8 \r\n[[1,2]] \r\n0\r\n\r\n', '8\r\n[[1,2]] 0\r\n\r\n', HIDDEN] as const; // biome-ignore format: one line

const message = fc.record({
  version: fc.constantFrom('1.1', '1.1', '1.1', '1.0'),
  headers: fc.array(fc.constantFrom(...lengths, ...codings, ...others), { maxLength: 4 }),
  body: fc.constantFrom(...bodies),
});

/** Sends bytes on a connection of their own, and goes away when nothing has come for a moment. */
async function sendAndGo(port: number, bytes: string): Promise<string> {
  const client = openRaw(port);
  client.socket.write(Buffer.from(bytes, 'latin1'));
  for (let seen = -1; seen !== client.text().length && !client.socket.destroyed; ) {
    seen = client.text().length;
    await Promise.race([client.closed(), new Promise((done) => setTimeout(done, 40))]);
  }
  client.socket.destroy();
  return client.text();
}

test('connections of doubtful requests: as many reach the server as the gateway has counted, and never a hidden one', async () => {
  const { behind, port, quiet, rows, faults } = await open();
  behind.answer = (_request, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end('[[1,2]]');
  const property = fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 3 }), async (messages) => {
    [behind.asked.length, rows.length] = [0, 0];
    const head = ['Host: x', 'Authorization: Bearer good', 'Content-Type: application/json'];
    const text = messages.map(({ version, headers, body }) =>
      [`POST ${PATH} HTTP/${version}`, ...head, ...headers, '', body].join('\r\n'),
    );
    const last = [`POST ${PATH} HTTP/1.1`, ...head, 'Connection: close', 'Content-Length: 7', '', '[[1,2]]'].join(
      '\r\n',
    );
    const told = await sendAndGo(port, text.join('') + last);
    await quiet();
    const count = (...statuses: readonly number[]): number =>
      rows.filter(({ status }) => statuses.includes(status)).length;
    const { length } = behind.asked;
    expect(behind.asked).toEqual(Array<string>(length).fill('POST /predictions/inner'));
    // 499: the client went away before its answer.
    expect([count(200) <= length, length <= count(200, 499)]).toEqual([true, true]);
    expect(told.match(/HTTP\/1\.1 200 /g)?.length ?? 0).toBeLessThanOrEqual(length);
    expect(told).not.toContain('HTTP/1.1 5');
  });
  await fc.assert(property, { numRuns: 400, seed: 20261121 });
  expect(faults).toEqual([]);
});
