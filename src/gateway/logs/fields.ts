/**
 * What may stand in a line of the journal: a closed list. A field that is not here is never written, and one whose value is not
 * of its form is left out and named. No form takes a path, a key, a token or a sentence.
 */
import { JOURNAL_LIMITS } from '../../core/limits/metrics.ts';

type Check = (value: unknown) => boolean;

/** API keys and tokens (JWT) are made of the letters that names are made of. */
const CREDENTIAL = /mwk_|eyJ[\w-]{8}/;

const matches =
  (form: RegExp): Check =>
  (value) =>
    typeof value === 'string' &&
    value.length <= JOURNAL_LIMITS.textCharsMax &&
    form.test(value) &&
    !CREDENTIAL.test(value);

const isCount: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isFlag: Check = (value) => typeof value === 'boolean';
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length <= JOURNAL_LIMITS.listMax && value.every(check);

const CODE = /^[A-Z][A-Z0-9_]{1,63}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** A file of this program below its root, line and column. */
const FRAME = /^[a-z][a-z0-9-]*(\/[a-z][a-z0-9.-]*){0,8}:\d{1,7}:\d{1,7}$/;

export const isFrame = matches(FRAME);

export const JOURNAL_FIELDS = {
  code: matches(CODE),
  reason: matches(CODE),
  /** Codes of what caused it, the nearest first. */
  causes: listOf(matches(CODE)),
  /** Where it was thrown. */
  frames: listOf(isFrame),
  /** Kind of the error, such as `TypeError`. */
  kind: matches(/^[A-Z][A-Za-z0-9]{1,40}$/),
  /** Part of the gateway, such as `API keys`, `model digits` or `worker 2`. */
  part: matches(
    /^(API keys|store of rates|[a-z]{2,20}|(model|upstream|listener|worker|tokens of) [A-Za-z0-9][A-Za-z0-9._-]*)$/,
  ),
  requestId: matches(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
  traceId: matches(/^[0-9a-f]{32}$/),
  /** Of a kind that the gateway itself makes: the id of a key, a token's issuer and subject, a certificate's name. */
  principal: matches(/^(key|jwt|mtls):[\x21-\x7e]+$/),
  keyId: matches(/^k_[0-9A-Za-z]{16}$/),
  tenant: matches(NAME),
  nearest: matches(NAME),
  protocol: matches(/^[a-z-]{2,20}$/),
  model: matches(NAME),
  version: matches(NAME),
  upstream: matches(NAME),
  listener: matches(NAME),
  worker: matches(NAME),
  host: matches(/^[A-Za-z0-9.:-]+$/),
  signal: matches(/^SIG[A-Z0-9]{2,8}$/),
  /** A route of the admin API as the table of routes has it. */
  route: matches(/^(GET|POST|DELETE) \/[a-z0-9{}/.-]*$/),
  /** Of a configuration, by their names. */
  members: listOf(matches(/^[A-Za-z]{1,32}(\.[A-Za-z]{1,32}){0,4}$/)),
  port: isCount,
  processId: isCount,
  status: isCount,
  durationUs: isCount,
  items: isCount,
  inputBytes: isCount,
  answerBytes: isCount,
  retryAfterMs: isCount,
  timeoutMs: isCount,
  count: isCount,
  models: isCount,
  workers: isCount,
  max: isCount,
  most: isCount,
  isTls: isFlag,
  isWhole: isFlag,
} as const satisfies Record<string, Check>;

export type JournalFields = { readonly [Name in keyof typeof JOURNAL_FIELDS]?: unknown };

export interface CheckedFields {
  readonly shown: Record<string, unknown>;
  /** Names of fields whose values were not of their form. */
  readonly withheld: string[];
}

/** @param isStrict false: names that are not listed are passed over in silence, as those of an error's fields */
export function checkFields(fields: object, isStrict: boolean): CheckedFields {
  const shown: Record<string, unknown> = {};
  const withheld: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue;
    const check = Object.hasOwn(JOURNAL_FIELDS, name) ? JOURNAL_FIELDS[name as keyof JournalFields] : undefined;
    if (check?.(value) === true) shown[name] = value;
    else if (check !== undefined || isStrict) withheld.push(/^[A-Za-z]{1,32}$/.test(name) ? name : 'other');
  }
  return { shown, withheld };
}
