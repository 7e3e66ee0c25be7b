/** The front under h2spec, over TLS 1.3: every case of RFC 9113 and RFC 7541, or why it is answered in another way. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { useFronts } from '../../http-front/kit.ts';
import { describeWhere } from '../../shared-data.ts';
import { makeServerFiles } from './certificates.ts';

const PROGRAM = resolve(import.meta.dirname, '../../oracles/h2spec/h2spec');
const open = useFronts();

const LATE =
  'nghttp2 drops frames of streams that it has closed: it cannot tell them from those that were on their way; none reaches the handler';

/** What Node's HTTP/2 (nghttp2) does in another way than the tool expects, with the front or without it. */
const EXPLAINED = new Map([
  ['http2/5.1 closed: Sends a DATA frame after sending RST_STREAM frame', LATE],
  ['http2/5.1 closed: Sends a HEADERS frame after sending RST_STREAM frame', LATE],
  ['http2/5.1 closed: Sends a DATA frame', LATE],
  ['http2/5.1 closed: Sends a HEADERS frame', LATE],
  ['http2/5.1.1 Sends stream identifier that is numerically smaller than previous', LATE],
  [
    'http2/6.7 Sends a PING frame with ACK',
    'Node takes an answer to a PING that nobody sent for an attack, and ends the connection',
  ],
  [
    'http2/6.9.1 Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1',
    'the connection ends with GOAWAY, of another code',
  ],
]);

describeWhere(existsSync(PROGRAM), 'h2spec', 'test/oracles/h2spec (go build)', () => {
  test('passes but for what is explained', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-h2spec-'));
    try {
      const { front, troubles } = await open({
        tls: makeServerFiles(folder),
        // After an error nghttp2 reads no more, not even that the client has gone: then patience is what ends a request.
        limits: { headersTimeoutMs: 500, requestTimeoutMs: 500, writeTimeoutMs: 500, idleTimeoutMs: 500 },
        // The tool sends what is not allowed while the answer is under way: it must not be over at once.
        handler: async ({ body }) => {
          await new Promise((done) => setTimeout(done, 50));
          return {
            status: 200,
            headers: [['content-type', 'text/plain']],
            body: Buffer.concat([body, Buffer.from('answer')]),
          };
        },
      });
      const report = join(folder, 'report.xml');
      const words = ['-h', '127.0.0.1', '-p', String(front.port), '-t', '-k', '-S', '-o', '1', '-j', report];
      const child = spawn(PROGRAM, words, { stdio: ['ignore', 'ignore', 'inherit'] });
      await once(child, 'exit');
      const { cases, failed } = readReport(readFileSync(report, 'utf8'));
      expect(cases).toBeGreaterThan(140);
      expect(failed.filter((name) => !EXPLAINED.has(name))).toEqual([]);
      expect(troubles).toEqual([]);
      while (front.stats.requestsNow > 0) await new Promise((done) => setTimeout(done, 20));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function readReport(xml: string): { cases: number; failed: string[] } {
  const failed = xml.matchAll(/<testcase package="([^"]+)" classname="([^"]+)"[^>]*>\s*<(?:error|failure)/g);
  return {
    cases: [...xml.matchAll(/<testcase /g)].length,
    failed: Array.from(failed, ([, group, name]) => `${group} ${name}`),
  };
}
