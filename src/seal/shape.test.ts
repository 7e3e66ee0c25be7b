import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { SEAL_LIMITS } from '../core/limits/seal.ts';
import {
  type Check,
  findFaults,
  freeText,
  hexOf,
  integer,
  isText,
  listOf,
  objectOf,
  sealIdText,
  timeText,
} from './shape.ts';

/** The same shape as a schema of zod, which is the judge here. */
const judge = z.strictObject({
  v: z.literal(1),
  id: z.string().regex(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
  model: z.strictObject({
    name: z.string().min(1).max(SEAL_LIMITS.textCharsMax),
    version: z.string().min(1).max(SEAL_LIMITS.textCharsMax).optional(),
  }),
  files: z
    .array(z.strictObject({ name: z.string(), size: z.int().min(0) }))
    .min(1)
    .max(3),
  at: z.iso.datetime({ precision: 3 }),
  digest: z.string().regex(/^[0-9a-f]{4}$/),
});
type Document = z.infer<typeof judge>;

const shape = objectOf<Document>({
  v: integer(1, 1),
  id: sealIdText,
  model: objectOf<Document['model']>({ name: freeText, version: freeText }, ['version']),
  files: listOf(objectOf<Document['files'][number]>({ name: isText, size: integer(0) }), 3),
  at: timeText,
  digest: hexOf(2),
});

const good: Document = {
  v: 1,
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  model: { name: 'm' },
  files: [
    { name: 'a', size: 0 },
    { name: 'b', size: 2 ** 53 - 1 },
  ],
  at: '2024-02-29T23:59:59.999Z',
  digest: '0f0f',
};

function judgeFaults(value: unknown): readonly string[] {
  const { error } = judge.safeParse(value);
  return [...new Set((error?.issues ?? []).map(({ path }) => path.join('.') || 'root'))].sort();
}

function setAt(value: unknown, path: readonly (string | number)[], to: unknown): unknown {
  if (path.length === 0) return to;
  const [first, ...rest] = path;
  const copy = structuredClone(value) as Record<string | number, unknown>;
  if (to === undefined && rest.length === 0) Reflect.deleteProperty(copy, first);
  else copy[first] = setAt(copy[first], rest, to);
  return copy;
}

const places = [
  [],
  ['v'],
  ['id'],
  ['model'],
  ['model', 'name'],
  ['model', 'version'],
  ['model', 'more'],
  ['files'],
  ['files', 1],
  ['files', 0, 'name'],
  ['files', 0, 'size'],
  ['at'],
  ['digest'],
  ['more'],
];
const times = [
  '2023-02-29T00:00:00.000Z',
  '2024-02-29T24:00:00.000Z',
  '2024-13-01T00:00:00.000Z',
  '2024-01-01T00:00:00Z',
];
const values = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom<unknown>(
    ...times,
    '2024-01-01T00:00:00.000+01:00',
    '2000-02-29T00:00:00.000Z',
    '0F0F',
    'ffff',
    '',
    'x'.repeat(SEAL_LIMITS.textCharsMax + 1),
  ),
  fc.constantFrom<unknown>(-1, 0.5, 1e300, 2 ** 53, -0, null, [], {}, [{}], good.files, undefined),
);

describe('shapes of a seal', () => {
  test('accept what a schema library accepts, and name the same members at fault', () => {
    expect(findFaults(shape, good, 'root')).toEqual([]);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...places), values), { minLength: 1, maxLength: 2 }), (changes) => {
        let value: unknown = good;
        for (const [path, to] of changes) {
          try {
            value = setAt(value, path, to);
          } catch {
            return; // the first change left no such place
          }
        }
        const json: unknown = JSON.parse(JSON.stringify(value ?? null));
        expect([...findFaults(shape, json, 'root')].sort()).toEqual(judgeFaults(json));
      }),
      { numRuns: 2000 },
    );
  });

  test('members of the prototype are members like others', () => {
    const value: unknown = JSON.parse('{"v":1,"__proto__":{"digest":"0f0f"}}');
    const check: Check = objectOf<{ v: number; digest: string }>({ v: integer(1), digest: hexOf(2) });
    expect(findFaults(check, value, 'root')).toEqual(['digest', 'root']);
  });

  test('a list that is too long is refused without a look at its values', () => {
    let looks = 0;
    const check = listOf(() => looks++, 3);
    expect(findFaults(check, [1, 2, 3, 4], 'root')).toEqual(['root']);
    expect(looks).toBe(0);
  });
});
