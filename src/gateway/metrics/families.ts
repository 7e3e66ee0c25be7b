/**
 * Everything that is counted, by its name. Names and units are those of OpenTelemetry's conventions where it has some; what is
 * ours begins with `modelward`. Prometheus shows them with underscores and units (docs/spec/metrics.md).
 */

/** Seconds: from a small model in memory to a text of some minutes. Holds the bounds that the conventions advise. */
const DURATION_BOUNDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 120,
];

/** Of generative AI, as advised. */
const TEXT_BOUNDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

const ROW_BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

export const REQUEST_FAMILIES = {
  requests: {
    name: 'modelward.requests',
    help: 'Requests that were answered; "code" is empty where the answer was good.',
    unit: '{request}',
    labels: ['protocol', 'model', 'status', 'code'],
  },
  durations: {
    name: 'http.server.request.duration',
    help: 'From the last byte of a request to its answer, of streams to their end.',
    unit: 's',
    labels: ['protocol', 'model', 'http.response.status_code'],
    bounds: DURATION_BOUNDS,
  },
  items: {
    name: 'modelward.items',
    help: 'Rows of the batch axis that were asked for.',
    unit: '{item}',
    labels: ['protocol', 'model'],
  },
  inputBytes: {
    name: 'modelward.request.body.size',
    help: 'Bytes of the bodies of requests.',
    unit: 'By',
    labels: ['protocol', 'model'],
  },
  answerBytes: {
    name: 'modelward.answer.body.size',
    help: 'Bytes of the bodies of answers.',
    unit: 'By',
    labels: ['protocol', 'model'],
  },
  texts: {
    name: 'gen_ai.server.request.duration',
    help: 'Requests to text models.',
    unit: 's',
    labels: ['gen_ai.operation.name', 'gen_ai.request.model', 'error.type'],
    bounds: TEXT_BOUNDS,
  },
  limitRefusals: {
    name: 'modelward.limit.refusals',
    help: 'Requests that were refused, by the limit that was reached; "store": what was used up could not be looked up.',
    unit: '{request}',
    labels: ['limit'],
  },
} as const;

export const CALLER_FAMILY = {
  name: 'modelward.caller.requests',
  help: 'Requests of the callers that ask most, and of those that are flagged, for each process.',
  kind: 'counter',
  unit: '{request}',
  fold: 'each',
  labels: ['caller'],
} as const;

export const BATCH_FAMILIES = {
  rows: {
    name: 'modelward.run.rows',
    help: 'Rows of one run of a model.',
    unit: '{item}',
    labels: ['model', 'version'],
    bounds: ROW_BOUNDS,
  },
  requests: {
    name: 'modelward.run.requests',
    help: 'Requests that shared one run of a model.',
    unit: '{request}',
    labels: ['model', 'version'],
    bounds: ROW_BOUNDS,
  },
} as const;
