/**
 * Shapes of the two small JSON documents of a seal, as functions that name the members at fault. A schema library would
 * take as much CPU to load as sealing 100 MB takes, in every process that opens a seal.
 */
import { SEAL_LIMITS } from '../core/limits/seal.ts';
import { UUID_V7 } from '../core/uuid.ts';

/** Adds the path of every member of `value` that is not as it should be; `path` is that of the value itself. */
export type Check = (value: unknown, path: string, faults: string[]) => void;

/** The members at fault, each once, in the document's order; [] for a value of the shape. `root` names the document. */
export function findFaults(check: Check, value: unknown, root: string): readonly string[] {
  const faults: string[] = [];
  check(value, '', faults);
  return [...new Set(faults.map((path) => (path === '' ? root : path)))];
}

/** An object of these members and no others. */
export function objectOf<T>(
  members: Readonly<Record<keyof T & string, Check>>,
  optional: readonly (keyof T & string)[] = [],
): Check {
  const checks: ReadonlyMap<string, Check> = new Map(Object.entries<Check>(members));
  const absent: ReadonlySet<string> = new Set(optional);
  return (value, path, faults) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      faults.push(path);
      return;
    }
    const given = new Map<string, unknown>(Object.entries(value));
    for (const [name, check] of checks) {
      const inner = path === '' ? name : `${path}.${name}`;
      if (given.has(name)) check(given.get(name), inner, faults);
      else if (!absent.has(name)) faults.push(inner);
    }
    if ([...given.keys()].some((name) => !checks.has(name))) faults.push(path);
  };
}

/** A list of 1 to `lengthMax` values; the values of a longer one are not looked at. */
export function listOf(check: Check, lengthMax: number): Check {
  return (value, path, faults) => {
    if (!Array.isArray(value) || value.length === 0 || value.length > lengthMax) faults.push(path);
    else
      value.forEach((item, i) => {
        check(item, `${path}.${i}`, faults);
      });
  };
}

function only(isRight: (value: unknown) => boolean): Check {
  return (value, path, faults) => {
    if (!isRight(value)) faults.push(path);
  };
}

/** A string of which `isRight` holds. */
export function textThat(isRight: (text: string) => boolean): Check {
  return only((value) => typeof value === 'string' && isRight(value));
}

export const isText = textThat(() => true);

export function integer(min: number, max = Number.MAX_SAFE_INTEGER): Check {
  return only((value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max);
}

/** Lower-case hex of so many bytes. */
export function hexOf(bytes: number): Check {
  const pattern = new RegExp(`^[0-9a-f]{${bytes * 2}}$`);
  return textThat((text) => pattern.test(text));
}

/** Free text; a lone surrogate has no UTF-8 form, and so no canonical JSON. */
export const freeText = textThat(
  (text) => text.length >= 1 && text.length <= SEAL_LIMITS.textCharsMax && !/\p{Cs}/u.test(text),
);

export const sealIdText = textThat((text) => UUID_V7.test(text));

/** An RFC 3339 UTC instant with milliseconds, as Date.toISOString writes it. */
export const timeText = textThat((text) => {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text) ? Date.parse(text) : NaN;
  return Number.isFinite(ms) && new Date(ms).toISOString() === text;
});
