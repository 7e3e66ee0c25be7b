/** What all protocols do with the answers of servers behind. */
import { GatewayError } from '../../core/errors.ts';
import type { HeaderList, UpstreamAnswer } from '../ports.ts';
import { pickAnswerHeaders } from './headers.ts';

/**
 * Headers of a good answer that go back.
 * @throws GatewayError GATEWAY_UPSTREAM_REFUSED for any other status: the server's words may name files and hosts
 */
export function toGoodHeaders(
  answer: Pick<UpstreamAnswer, 'status' | 'headers'>,
  names: readonly string[],
): HeaderList {
  if (answer.status !== 200) throw new GatewayError('GATEWAY_UPSTREAM_REFUSED', { fields: { status: answer.status } });
  return pickAnswerHeaders(answer.headers, names);
}

/** What reads an answer with the means of requests: what those call the caller's mistake is the server's here. */
export function asUpstream<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof GatewayError) || !error.code.startsWith('GATEWAY_INPUT_')) throw error;
    throw new GatewayError('GATEWAY_UPSTREAM_MALFORMED', { fields: error.fields, cause: error });
  }
}
