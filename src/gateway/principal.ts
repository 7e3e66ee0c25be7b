/** Who asks, how much of what, and what he may see of an answer. */

/** What one key may see of an answer. */
export interface OutputPolicy {
  /** Of each row of a floating-point output of two axes or more, the k largest are kept and the others set to 0; null keeps all. */
  readonly topK: number | null;
  /** Decimal places that are kept; null keeps all. */
  readonly decimals: number | null;
  /** Answers are classes alone: index of the largest of each row, and no scores. */
  readonly isLabelOnly: boolean;
  /** Names of outputs that are never answered, such as logits. */
  readonly hidden: readonly string[];
}

export interface PrincipalLimits {
  /** Sustained rate, and how many may come at once beyond it (GCRA). */
  readonly perMinute: number;
  readonly burst: number;
  /** Budgets in items: rows of the batch axis; null for none. */
  readonly daily: number | null;
  readonly lifetime: number | null;
  /** Requests at work at a time. */
  readonly concurrency: number;
  /** null: the gateway's own. */
  readonly bodyBytesMax: number | null;
  /** Rows of one request; null: the gateway's own. */
  readonly batchMax: number | null;
}

/** Somebody who may ask. */
export interface Principal {
  /** Of the log and the budgets: `key:…`, `jwt:…`, `mtls:…`, `platform:…`; printable ASCII of at most 200 characters, never a secret. */
  readonly id: string;
  readonly kind: 'api-key' | 'jwt' | 'mtls' | 'platform';
  readonly tenant: string;
  /** `infer:<model>`, `meta:<model>`, with `*` for all models; admin scopes `keys:read`, `keys:write`, `audit:read`, `metrics:read`, `admin`. */
  readonly scopes: readonly string[];
  readonly limits: PrincipalLimits;
  readonly output: OutputPolicy;
  /** Of the integrity tag, 32 bytes, known to this principal and the gateway; null where there is none. */
  readonly tagKey: Uint8Array | null;
}
