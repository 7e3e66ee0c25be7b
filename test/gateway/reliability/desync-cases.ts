/** Connections of requests whose lengths, codings and bodies two readers could take in two ways. */
import fc from 'fast-check';
import { openRaw } from '../../http-front/kit.ts';

const PATH = '/predictions/torchserve-model';
/** A request that hides where the body of another one should be. */
const HIDDEN = 'POST /smuggled HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Length: 0\r\n\r\n';

const lengths = [
  'Content-Length: 8',
  'Content-Length: 0',
  'content-length:8',
  'Content-Length : 8',
  'Content-Length: 8, 8',
  'Content-Length: +8',
  'Content-Length: 008',
  'Content-Length: 8 ',
  'Content_Length: 8',
  'X: y\nContent-Length: 8',
  'Content-Length:\t8',
  `Content-Length: ${HIDDEN.length}`,
] as const;
const codings = [
  'Transfer-Encoding: chunked',
  'transfer-encoding:chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity',
  'Transfer-Encoding:\x0bchunked',
  'Transfer-Encoding: Chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding:\r\n chunked',
  'X: y\rTransfer-Encoding: chunked',
  'Transfer_Encoding: chunked',
] as const;
const others = [
  'Connection: keep-alive',
  'Connection: close',
  'Connection: content-length',
  'Connection: transfer-encoding',
  'Expect: 100-continue',
  'Upgrade: h2c',
  'X-Forwarded-Host: y',
  'Host: y',
  'Trailer: content-length',
  'TE: trailers',
  'Content-Encoding: gzip',
  `X-Padding: ${'p'.repeat(900)}`,
] as const;
const bodies = [
  '[[1,2]] ',
  '8\r\n[[1,2]] \r\n0\r\n\r\n',
  '0\r\n\r\n',
  '',
  '8;a=b\r\n[[1,2]] \r\n0\r\nX: y\r\n\r\n',
  '8\n[[1,2]] \r\n0\r\n\r\n',
  '08\r\n[[1,2]] \r\n0\r\n\r\n',
  '0x8\r\n[[1,2]] \r\n0\r\n\r\n',
  '8 \r\n[[1,2]] \r\n0\r\n\r\n',
  '8\r\n[[1,2]] 0\r\n\r\n',
  HIDDEN,
] as const;

/** Eight floats by two, as bytes: a server that looked for its next request in here would find one. */
const HIDDEN_FLOATS = 'POST /s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
const JSON_TYPE = 'Content-Type: application/json';
const BYTES_TYPE = 'Content-Type: application/octet-stream';

/** Requests that are taken as they stand: headers, body. */
const GOOD: readonly (readonly [headers: readonly string[], body: string])[] = [
  [[JSON_TYPE, 'Content-Length: 8'], '[[1,2]] '],
  [[BYTES_TYPE, `Content-Length: ${HIDDEN_FLOATS.length}`], HIDDEN_FLOATS],
  [[JSON_TYPE, 'Transfer-Encoding: chunked'], '8\r\n[[1,2]] \r\n0\r\n\r\n'],
  [
    [BYTES_TYPE, 'Transfer-Encoding: chunked'],
    `8;a=b\r\n${HIDDEN_FLOATS.slice(0, 8)}\r\n${(HIDDEN_FLOATS.length - 8).toString(16)}\r\n${HIDDEN_FLOATS.slice(8)}\r\n0\r\nX: y\r\n\r\n`,
  ],
];

interface Message {
  readonly version: string;
  readonly headers: readonly string[];
  readonly body: string;
}

/** One that is taken, with at most one line beside it that readers disagree about. */
const nearlyGood: fc.Arbitrary<Message> = fc
  .record({
    good: fc.constantFrom(...GOOD),
    twist: fc.oneof(
      { weight: 6, arbitrary: fc.constant<readonly string[]>([]) },
      { weight: 3, arbitrary: fc.constantFrom(...others).map((line) => [line]) },
      { weight: 1, arbitrary: fc.constantFrom(...lengths, ...codings).map((line) => [line]) },
    ),
    isFirst: fc.boolean(),
  })
  .map(({ good: [headers, body], twist, isFirst }) => ({
    ...{ version: '1.1', body },
    headers: isFirst ? [...twist, ...headers] : [...headers, ...twist],
  }));

const whatever: fc.Arbitrary<Message> = fc.record({
  version: fc.constantFrom('1.1', '1.1', '1.1', '1.0'),
  headers: fc
    .array(fc.constantFrom(...lengths, ...codings, ...others), { maxLength: 4 })
    .map((headers) => [JSON_TYPE, ...headers]),
  body: fc.constantFrom(...bodies),
});

const message = fc.oneof({ weight: 4, arbitrary: nearlyGood }, { weight: 1, arbitrary: whatever });

/** Sends bytes on a connection of their own, and goes away when nothing has come for a moment. */
export async function sendAndGo(port: number, bytes: string): Promise<string> {
  const client = openRaw(port);
  client.socket.write(Buffer.from(bytes, 'latin1'));
  for (let seen = -1; seen !== client.text().length && !client.socket.destroyed; ) {
    seen = client.text().length;
    await Promise.race([client.closed(), new Promise((done) => setTimeout(done, 40))]);
  }
  client.socket.destroy();
  return client.text();
}

/** Bytes of up to four doubtful requests, and of a good one behind them. */
export const connection: fc.Arbitrary<string> = fc.array(message, { minLength: 1, maxLength: 4 }).map((messages) => {
  const head = ['Host: x', 'Authorization: Bearer good'];
  const text = messages.map(({ version, headers, body }) =>
    [`POST ${PATH} HTTP/${version}`, ...head, ...headers, '', body].join('\r\n'),
  );
  const last = [
    `POST ${PATH} HTTP/1.1`,
    ...head,
    JSON_TYPE,
    'Connection: close',
    'Content-Length: 7',
    '',
    '[[1,2]]',
  ].join('\r\n');
  return text.join('') + last;
});
