/** Files that an answer is kept in: what `curl -i` writes, or the headers of `curl -D` and a body apart. */
import { GatewayError } from '../../core/errors.ts';
import { INTEGRITY_LIMITS } from '../../core/limits/integrity.ts';
import type { ReceivedAnswer } from '../../gateway/index.ts';

const STATUS_LINE = /^HTTP\/\d(?:\.\d)? (\d{3})(?: |$)/;
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;

/**
 * Status line, headers, an empty line, body. Of several blocks of headers (100 Continue, a proxy's CONNECT) the last counts.
 * @throws GatewayError INTEGRITY_FILE_MALFORMED
 */
export function readWholeResponse(bytes: Uint8Array): ReceivedAnswer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let start = 0;
  for (;;) {
    const { lines, end } = takeBlock(buffer, start);
    const block = readHead(lines);
    const isFollowed = buffer.toString('latin1', end, end + 5) === 'HTTP/';
    if (!isFollowed || (block.status >= 200 && !isConnect(lines[0]))) return { ...block, body: bytes.subarray(end) };
    start = end;
  }
}

/** @param headers what `curl -D` wrote @throws GatewayError INTEGRITY_FILE_MALFORMED */
export function readResponse(headers: Uint8Array, body: Uint8Array): ReceivedAnswer {
  const whole = readWholeResponse(headers);
  if (whole.body.length > 0) throw malformed('headers');
  return { ...whole, body };
}

function isConnect(line: string): boolean {
  return /^HTTP\/1\.[01] 200 connection established/i.test(line);
}

/** Lines up to the empty one; a line ends in LF or CR LF. */
function takeBlock(buffer: Buffer, start: number): { readonly lines: readonly string[]; readonly end: number } {
  const lines: string[] = [];
  let at = start;
  for (;;) {
    const feed = buffer.indexOf(0x0a, at);
    const isEnd = feed < 0;
    const end = isEnd ? buffer.length : feed + 1;
    if (end - start > INTEGRITY_LIMITS.headerBytesMax) throw malformed('headers');
    const line = buffer.toString('latin1', at, isEnd ? end : feed).replace(/\r$/, '');
    // "curl -D" ends its file with the empty line, other tools without.
    if (line === '') return { lines, end };
    lines.push(line);
    if (isEnd) return { lines, end };
    at = end;
  }
}

function readHead(lines: readonly string[]): Omit<ReceivedAnswer, 'body'> {
  const status = STATUS_LINE.exec(lines.at(0) ?? '')?.[1];
  if (status === undefined) throw malformed('status line');
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const header = HEADER_LINE.exec(line);
    if (header === null) throw malformed('headers');
    const name = header[1].toLowerCase();
    const before = headers.get(name);
    headers.set(name, before === undefined ? header[2] : `${before}, ${header[2]}`);
  }
  return { status: Number(status), headers };
}

function malformed(part: string): GatewayError {
  return new GatewayError('INTEGRITY_FILE_MALFORMED', { fields: { part } });
}
