import { describe, expect, test } from 'vitest';
import { UPSTREAM_LIMITS } from '../../core/limits/upstream.ts';
import { AnswerReader, type ReadOutcome } from './answer-reader.ts';
import type { Http1Head } from './head.ts';

class Sink {
  isOver = false;
  heads: Http1Head[] = [];
  body = '';

  takeHead(head: Http1Head): void {
    this.heads.push(head);
  }

  takeData(piece: Uint8Array): void {
    this.body += Buffer.from(piece).toString('latin1');
  }
}

/** Reads the text in pieces of so many bytes, until something but 'more' comes of it. */
function read(text: string, pieceBytes = text.length): { outcome: ReadOutcome; sink: Sink; reader: AnswerReader } {
  const [reader, sink] = [new AnswerReader(), new Sink()];
  const bytes = Buffer.from(text, 'latin1');
  let outcome: ReadOutcome = 'more';
  for (let at = 0; at < bytes.length && outcome === 'more'; at += pieceBytes) {
    outcome = reader.read(bytes.subarray(at, at + pieceBytes), sink);
  }
  return { outcome, sink, reader };
}

const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`;

describe('an answer', () => {
  test.each([
    ['of a length', `${OK}content-length: 5\r\nx-a:\t b \r\n\r\nhello`, 'hello'],
    ['in chunks', `${CHUNKED}2\r\nhe\r\n3;ext="1"\r\nllo\r\n0\r\n\r\n`, 'hello'],
    ['in chunks, with trailers', `${CHUNKED}5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n`, 'hello'],
    [
      'behind early ones',
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: a\r\n\r\n${OK}content-length: 5\r\n\r\nhello`,
      'hello',
    ],
    ['without a body', 'HTTP/1.1 204 None\r\n\r\n', ''],
    ['without a reason', 'HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok', 'ok'],
    ['whose body looks like a head', `${OK}content-length: 19\r\n\r\n${OK}\r\n`, `${OK}\r\n`],
  ])('%s is the same in whatever pieces it comes', (_name, text, body) => {
    for (let pieceBytes = 1; pieceBytes <= text.length; pieceBytes++) {
      const { outcome, sink } = read(text, pieceBytes);
      expect([outcome, sink.heads.length, sink.body]).toEqual(['whole', 1, body]);
    }
  });

  test('has its own head, whatever head came before it', () => {
    const [a, b, broken] = ['x-a: 1', 'x-a: 2', 'x-a: \x01'].map((line) => `${OK}${line}\r\ncontent-length: 0\r\n\r\n`);
    const seen = [a, a, b, broken, a, broken, b].map((text) => read(text).sink.heads.at(0)?.headers[0][1] ?? null);
    expect(seen).toEqual(['1', '1', '2', null, '1', null, '2']);
  });

  test('has its headers without the space around them, and those of the connection apart', () => {
    const { sink, reader } = read(
      `${OK}X-A:\t b c \r\nContent-Length: 0\r\nKeep-Alive: max=9, timeout=5\r\nConnection: te, Close\r\n\r\n`,
    );
    expect(sink.heads[0].headers).toEqual([['x-a', 'b c']]);
    expect([reader.isLast, reader.keepAliveMs]).toEqual([true, 5000]);
    expect(read('HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n').reader.isLast).toBe(true);
    expect(read(`${OK}content-length: 0\r\n\r\n`).reader.isLast).toBe(false);
  });

  test('full of spaces takes no more time than another one', () => {
    const spaces = ' '.repeat(16_000);
    // Seconds; looked at from each of the spaces, it would be minutes.
    for (let n = 0; n < 5000; n++) {
      expect(read(`${OK}content-length: 0\r\nx-a: a${spaces}b\r\n\r\n`).sink.heads[0].headers[0][1]).toHaveLength(
        16_002,
      );
    }
  });

  test('is followed by the next one of the same connection, and what nobody asked for is told', () => {
    const { outcome, sink, reader } = read(`${OK}content-length: 1\r\n\r\na`);
    expect(outcome).toBe('whole');
    expect(reader.isAtWork).toBe(false);
    expect(reader.read(Buffer.from(`${CHUNKED}1\r\nb\r\n0\r\n\r\n`), sink)).toBe('whole');
    expect(sink.body).toBe('ab');
    expect(read(`${OK}content-length: 1\r\n\r\nab`).outcome).toBe('excess');
    expect(read('HTTP/1.1 204 None\r\n\r\na').outcome).toBe('excess');
  });

  test('that nobody wants any more is read no further', () => {
    const [reader, sink] = [new AnswerReader(), new Sink()];
    sink.takeHead = () => {
      sink.isOver = true;
    };
    expect(reader.read(Buffer.from(`${OK}content-length: 1\r\n\r\na`), sink)).toBe('more');
    expect(sink.body).toBe('');
  });
});

describe('is refused in whatever pieces it comes', () => {
  const { headerBytesMax, headersMax, informationalMax, chunkLineCharsMax } = UPSTREAM_LIMITS;
  test.each([
    ['lines that end in LF', 'HTTP/1.1 200 OK\ncontent-length: 2\n\nok\r\n\r\n', 'head'],
    ['a lone CR in a value', `${OK}a: b\rc\r\ncontent-length: 0\r\n\r\n`, 'head'],
    ['a lone LF in a value', `${OK}a: b\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n`, 'head'],
    ['a space before the colon', `${OK}content-length : 2\r\n\r\nok`, 'head'],
    ['a folded header', `${OK}a: b\r\n c\r\ncontent-length: 0\r\n\r\n`, 'head'],
    ['a line without a colon', `${OK}abc\r\ncontent-length: 0\r\n\r\n`, 'head'],
    ['a zero byte', `${OK}a: \0\r\ncontent-length: 0\r\n\r\n`, 'head'],
    ['another version', 'HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n', 'head'],
    ['a status of two digits', 'HTTP/1.1 99 OK\r\ncontent-length: 0\r\n\r\n', 'head'],
    ['a switch of protocols', 'HTTP/1.1 101 Switching\r\n\r\n', 'head'],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', 'head'],
    ['a head that is too long', `${OK}a: ${'b'.repeat(headerBytesMax)}\r\ncontent-length: 0\r\n\r\n`, 'head'],
    ['too many headers', `${OK}${'a: b\r\n'.repeat(headersMax + 1)}\r\n`, 'head'],
    ['too many early answers', 'HTTP/1.1 103 Hints\r\n\r\n'.repeat(informationalMax + 1), 'head'],
    ['an early answer with a body', 'HTTP/1.1 103 Hints\r\ncontent-length: 1\r\n\r\na', 'framing'],
    ['two lengths that agree', `${OK}content-length: 0\r\ncontent-length: 0\r\n\r\n`, 'framing'],
    ['a length in hex', `${OK}content-length: 0x1\r\n\r\na`, 'framing'],
    ['a length of many digits', `${OK}content-length: 1${'0'.repeat(16)}\r\n\r\na`, 'framing'],
    ['no length', `${OK}connection: close\r\n\r\n`, 'framing'],
    ['chunks with a length', `${OK}content-length: 0\r\ntransfer-encoding: chunked\r\n\r\n`, 'framing'],
    ['a coding before chunks', `${OK}transfer-encoding: gzip, chunked\r\n\r\n`, 'framing'],
    ['a chunk that is longer than it said', `${CHUNKED}1\r\nab\r\n`, 'framing'],
    ['a size of a chunk with a sign', `${CHUNKED}+1\r\na\r\n`, 'framing'],
    ['a size of a chunk behind a space', `${CHUNKED} 1\r\na\r\n`, 'framing'],
    ['a size of a chunk of many digits', `${CHUNKED}000000001\r\na\r\n`, 'framing'],
    ['a size of a chunk that ends in LF', `${CHUNKED}1\na\r\n`, 'framing'],
    ['a long line of a chunk', `${CHUNKED}1;${'x'.repeat(chunkLineCharsMax)}`, 'framing'],
    ['a trailer without a name', `${CHUNKED}0\r\n: a\r\n\r\n`, 'framing'],
    ['a trailer that is a length', `${CHUNKED}0\r\nContent-Length: 0\r\n\r\n`, 'framing'],
    ['a trailer that is a coding', `${CHUNKED}0\r\ntransfer-encoding: chunked\r\n\r\n`, 'framing'],
    ['a space before an extension', `${CHUNKED}1 ;a\r\na\r\n0\r\n\r\n`, 'framing'],
    ['an extension without a name', `${CHUNKED}1;\r\na\r\n0\r\n\r\n`, 'framing'],
    ['an extension without an end', `${CHUNKED}1;a="b\r\na\r\n0\r\n\r\n`, 'framing'],
    [
      'an early answer that is the last',
      `HTTP/1.1 100 Continue\r\nconnection: close\r\n\r\n${OK}content-length: 0\r\n\r\n`,
      'head',
    ],
    ['trailers without an end', `${CHUNKED}0\r\n${'a: b\r\n'.repeat(headerBytesMax / 4)}`, 'framing'],
  ])('%s', (_name, text, reason) => {
    for (const pieceBytes of [1, 7, text.length]) expect(read(text, pieceBytes).outcome).toBe(reason);
  });
});
