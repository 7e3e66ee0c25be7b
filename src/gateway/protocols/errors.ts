/** What callers are told of an error: its stable code, its sentence, and what concerns their own request. */
import { ERRORS, type ErrorCode, type ErrorFields } from '../../core/errors.ts';
import type { GatewayAnswer, HeaderList } from '../ports.ts';

/** Fields that say something of the request; all others stay inside. */
const TOLD = ['at', 'problem', 'name', 'index', 'offset', 'expected', 'max'] as const;

export interface ToldError {
  readonly code: ErrorCode;
  readonly status: number;
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number | undefined>>;
}

/** Name of the header that carries the stable code of every error. */
export const CODE_HEADER = 'x-modelward-code';

/** Codes of other areas are faults of the gateway: nothing of them is told. */
export function toToldError(code: ErrorCode, fields: ErrorFields = {}): ToldError {
  if (!code.startsWith('GATEWAY_')) return toToldError('GATEWAY_INTERNAL');
  const row = ERRORS[code];
  const told: Record<string, string | number> = {};
  for (const name of TOLD) {
    const value = fields[name];
    if (typeof value === 'string' || typeof value === 'number') told[name] = value;
  }
  return { code, status: row.http, message: row.message, fields: told };
}

/** Sentence and evidence in one line, for protocols whose error is a text. */
export function toSentence({ code, message, fields }: ToldError): string {
  const evidence = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  return `${code}: ${message}${evidence.length === 0 ? '' : ` (${evidence.join(', ')})`}`;
}

const JSON_TYPE: readonly [string, string] = ['content-type', 'application/json'];

export function toJsonAnswer(status: number, text: string, headers: HeaderList = []): GatewayAnswer {
  return { status, headers: [JSON_TYPE, ...headers], body: Buffer.from(text, 'utf8') };
}

/** An error whose body is `body`. */
export function toErrorAnswer({ status, code }: ToldError, body: unknown): GatewayAnswer {
  return toJsonAnswer(status, JSON.stringify(body), [[CODE_HEADER, code]]);
}
