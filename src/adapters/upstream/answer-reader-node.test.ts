/** Answers are read as Node's own client reads them, where they are taken at all: two readers of one answer never differ. */
import { request as ask } from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AnswerReader, type ReadOutcome } from './answer-reader.ts';
import type { Http1Head } from './head.ts';

interface Read {
  readonly status: number | undefined;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

/** Null for what is not taken; `isExact` where no byte came behind it. */
function readByOwn(bytes: Buffer, pieceBytes: number): { readonly read: Read | null; readonly isExact: boolean } {
  const reader = new AnswerReader();
  let [head, body, outcome]: [Http1Head | null, string, ReadOutcome] = [null, '', 'more'];
  const sink = {
    isOver: false,
    takeHead: (read: Http1Head) => {
      head = read;
    },
    takeData: (piece: Uint8Array) => {
      body += Buffer.from(piece).toString('latin1');
    },
  };
  for (let at = 0; at < bytes.length && outcome === 'more'; at += pieceBytes) {
    outcome = reader.read(bytes.subarray(at, at + pieceBytes), sink);
  }
  if (outcome !== 'whole' && outcome !== 'excess') return { read: null, isExact: false };
  const { status, headers } = head as unknown as Http1Head;
  return { read: { status, headers, body }, isExact: outcome === 'whole' };
}

/** Null where Node's client reads no whole answer. */
function readByNode(bytes: Buffer): Promise<Read | null> {
  const socket = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  return new Promise((done) => {
    const asked = ask({ createConnection: () => socket, method: 'POST' }, (answer) => {
      let body = '';
      answer.on('data', (piece: Buffer) => {
        body += piece.toString('latin1');
      });
      answer.on('error', () => {
        done(null);
      });
      answer.on('end', () => {
        const { statusCode: status, rawHeaders: raw } = answer;
        const headers = raw.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), raw[at + 1]] as const] : []));
        done({ status, headers: headers.filter(([name]) => !OF_THE_LINE.has(name)), body });
      });
    });
    asked.on('error', () => {
      done(null);
    });
    asked.end('', () => socket.push(bytes));
  });
}

/** Read for the connection, and not handed on. */
const OF_THE_LINE = new Set([
  ...['connection', 'content-length', 'date', 'keep-alive', 'server', 'trailer', 'transfer-encoding'],
]);

const often = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 12, arbitrary: usual }, odd);
const joined = (...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((texts) => texts.join(''));
const end = often(fc.constant('\r\n'), fc.constantFrom('\n', '\r', '\r\n ', '\r\n\t', ' \r\n', '\0\r\n'));
const text = fc.string({
  unit: often(
    fc.constantFrom('a', 'B', '3', '-', ' ', '\t', '\xe4', '\xa0'),
    fc.constantFrom('\r', '\n', '\0', ':', '\x7f', '\x0b'),
  ),
  maxLength: 5,
});
const name = often(
  fc.constantFrom('X-A', 'x-b', 'Content-Type', 'Connection', 'Keep-Alive', 'Date', 'Trailer'),
  fc.oneof(text, fc.constantFrom('Content-Length', 'Transfer-Encoding', 'Upgrade', 'x_y', '')),
);
const value = often(text, fc.constantFrom('close', 'keep-alive', 'chunked', '2', 'timeout=5', 'identity'));
const gap = often(fc.constant(': '), fc.constantFrom(':', ' : ', ':\t ', ''));
const field = joined(name, gap, value, end);
const line = joined(
  often(fc.constant('HTTP/1.1'), fc.constantFrom('HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/01.1')),
  often(fc.constant(' '), fc.constantFrom('  ', '\t', '')),
  often(
    fc.constantFrom('200', '404', '500'),
    fc.constantFrom('204', '304', '100', '103', '101', '307', '599', '600', '20', '0200'),
  ),
  often(fc.constant(' OK'), fc.oneof(text, fc.constantFrom('', ' ', ' \xe4'))),
  end,
);
const length = joined(
  often(fc.constant('Content-Length: '), fc.constantFrom('content-length:', 'Content-Length:\t', 'Content-Length : ')),
  often(fc.constant('2'), fc.constantFrom('02', '+2', '-2', '2 ', '2, 2', '0x2', '2.0', '', '3')),
  end,
);
const coding = joined(
  often(fc.constant('Transfer-Encoding: '), fc.constantFrom('transfer-encoding:', 'Transfer-Encoding :')),
  often(
    fc.constant('chunked'),
    fc.constantFrom('Chunked', 'chunked ', 'xchunked', 'gzip, chunked', 'chunked, chunked', ''),
  ),
  end,
);
const size = often(
  fc.constantFrom('2', '02', '2;a', '2;a=b;c', '2;a="b;\\""'),
  fc.oneof(
    text,
    fc.constantFrom(
      '+2',
      '0x2',
      '2 ',
      ' 2',
      '-2',
      '2;\n',
      '2 ;a=b',
      '2;',
      '2;a=',
      '2;a="',
      '2;a b',
      '00000000000002',
      '3',
    ),
  ),
);
const chunk = joined(size, end, fc.constant('ok'), end);
const chunks = joined(
  fc.array(chunk, { maxLength: 3 }).map((all) => all.join('')),
  joined(often(fc.constant('0'), fc.constantFrom('00', '0;a', '0 ', '-0', '')), end),
  fc.oneof({ weight: 3, arbitrary: fc.constant('') }, field),
  end,
);
const fields = fc.array(field, { maxLength: 2 }).map((all) => all.join(''));
const answer = fc.oneof(
  joined(line, fields, length, fields, end, often(fc.constant('ok'), fc.constantFrom('', 'o', 'okk'))),
  joined(line, fields, coding, fields, end, chunks),
  joined(line, fields, fc.oneof(length, coding), fc.oneof(length, coding), end, chunks),
);
const early = joined(fc.constantFrom('HTTP/1.1 100 Continue\r\n', 'HTTP/1.1 103 Hints\r\n'), fields, end);
const whole = joined(fc.oneof({ weight: 5, arbitrary: fc.constant('') }, early), answer);

test('an answer that is taken is what Node reads, in whatever pieces it comes', async () => {
  const taken = { length: 0, chunks: 0, early: 0 };
  const pieces = fc.integer({ min: 1, max: 40 });
  await fc.assert(
    fc.asyncProperty(whole, pieces, async (one, pieceBytes) => {
      const bytes = Buffer.from(one, 'latin1');
      const { read, isExact } = readByOwn(bytes, bytes.length);
      expect(readByOwn(bytes, pieceBytes).read).toEqual(read);
      if (!isExact) return;
      taken[/transfer-encoding/i.test(one) ? 'chunks' : 'length']++;
      if (/^HTTP\/1.1 1/.test(one)) taken.early++;
      expect(await readByNode(bytes)).toEqual(read);
    }),
    { numRuns: 10_000 },
  );
  for (const count of Object.values(taken)) expect(count).toBeGreaterThan(50);
});
