/** The witness over HTTP: one route, and the status that stands for each outcome (C2SP tlog-witness v1.0.0). */
import { utf8 } from '../../core/bytes.ts';
import { ModelwardError } from '../../core/errors.ts';
import type { HttpHandler, HttpResponse } from '../../core/http-handler.ts';
import type { Witness, WitnessAnswer } from './witness.ts';

/** Below the submission prefix; a proxy in front takes the prefix off. */
const PATH = '/add-checkpoint';
const SIZE_TYPE = 'text/x.tlog.size';
const TEXT_TYPE = 'text/plain; charset=utf-8';

export interface WitnessHandlerOptions {
  readonly witness: Witness;
  /** Told of what keeps the witness from its work; never of what a client sent. */
  readonly onTrouble: (code: string) => void;
  /** Told once of a log that signed two trees of one size. */
  readonly onFork: (fork: { readonly origin: string; readonly size: number }) => void;
}

/** Answers `add-checkpoint`; never throws for what a client can send. */
export function createWitnessHandler({ witness, onTrouble, onFork }: WitnessHandlerOptions): HttpHandler {
  return ({ method, path, body }) => {
    if (path !== PATH) return reply(404, TEXT_TYPE, 'no such path\n');
    if (method !== 'POST') return reply(405, TEXT_TYPE, 'POST alone\n', { allow: 'POST' });
    try {
      const answer = witness.add(body);
      if (answer.outcome === 'fork' && answer.isNew) onFork(answer);
      return toResponse(answer);
    } catch (error) {
      onTrouble(error instanceof ModelwardError ? error.code : 'UNKNOWN');
      return reply(503, TEXT_TYPE, 'the witness cannot cosign now\n');
    }
  };
}

function toResponse(answer: WitnessAnswer): Promise<HttpResponse> {
  switch (answer.outcome) {
    case 'cosigned':
      return reply(200, TEXT_TYPE, answer.line);
    case 'malformed':
      return reply(400, TEXT_TYPE, 'not a request of c2sp.org/tlog-witness\n');
    case 'untrusted':
      return reply(403, TEXT_TYPE, 'not signed by a key that is known for the origin\n');
    case 'unknown-log':
      return reply(404, TEXT_TYPE, 'the origin is not known\n');
    case 'stale':
      return reply(409, SIZE_TYPE, `${answer.size}\n`);
    // Without the type of a size: asking again from it would come to the same.
    case 'fork':
      return reply(409, TEXT_TYPE, 'another tree of this size was cosigned\n');
    case 'unproven':
      return reply(422, TEXT_TYPE, 'the proof does not show that the log only grew\n');
  }
}

function reply(
  status: number,
  type: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpResponse> {
  return Promise.resolve({ status, headers: { ...headers, 'content-type': type }, body: utf8(text) });
}
