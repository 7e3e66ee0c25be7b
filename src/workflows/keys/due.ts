/** When a key is to be rotated (the founding text's quarter), and when to say so in advance. */

const DAY_MS = 24 * 60 * 60 * 1000;

export const ROTATION_DUE_DAYS = 90;
export const ROTATION_WARN_DAYS = 80;

export type KeyAgeState = 'fresh' | 'soon' | 'due' | 'unknown';

export interface KeyAge {
  readonly state: KeyAgeState;
  /** Whole days since the current version was made; null when nobody knows. */
  readonly ageDays: number | null;
  /** RFC 3339, UTC. */
  readonly dueAt: string | null;
}

/**
 * @param createdAt of the version that wraps, RFC 3339; null when it is not known
 * @param nowMs milliseconds since 1970
 */
export function toKeyAge(createdAt: string | null, nowMs: number): KeyAge {
  const madeMs = createdAt === null ? Number.NaN : Date.parse(createdAt);
  if (Number.isNaN(madeMs)) return { state: 'unknown', ageDays: null, dueAt: null };
  const ageDays = Math.max(0, Math.floor((nowMs - madeMs) / DAY_MS));
  const state = ageDays >= ROTATION_DUE_DAYS ? 'due' : ageDays >= ROTATION_WARN_DAYS ? 'soon' : 'fresh';
  return { state, ageDays, dueAt: new Date(madeMs + ROTATION_DUE_DAYS * DAY_MS).toISOString() };
}
