/** Answered requests as lines, for operators who want them beside the log in the database. */
import type { Answered, Meter } from '../ports.ts';
import type { Journal } from './journal.ts';

/** Which requests have a line: none, those that the gateway failed, those that were not answered well, all. */
export type RequestLines = 'none' | 'failures' | 'refusals' | 'all';

const LEAST: Readonly<Record<RequestLines, number>> = { none: Infinity, failures: 500, refusals: 400, all: 0 };

/** Counts by `meter`, and tells of the requests that are asked for. */
export function tellRequests(journal: Journal, meter: Meter, lines: RequestLines): Meter {
  const least = LEAST[lines];
  if (least === Infinity) return meter;
  return {
    onAnswer: (answered) => {
      meter.onAnswer(answered);
      if (answered.status >= least) journal.tell('request', toFields(answered));
    },
  };
}

function toFields(answered: Answered) {
  const { protocol, model, status, code, items, inputBytes, answerBytes } = answered;
  const durationUs = Math.round(answered.durationUs);
  const { requestId, principalId: principal } = answered;
  return { requestId, principal, protocol, model, status, code, durationUs, items, inputBytes, answerBytes };
}
