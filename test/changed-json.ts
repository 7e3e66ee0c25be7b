/** One member of a JSON document changed, for tests of readers. */

/** @param path such as "a.b.0.c"; @param value undefined takes the member away */
export function changeJson(document: Uint8Array, path: string, value: unknown): Uint8Array {
  const root = JSON.parse(Buffer.from(document).toString('utf8')) as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let at = root;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  if (value === undefined) Reflect.deleteProperty(at, last);
  else at[last] = value;
  return new Uint8Array(Buffer.from(JSON.stringify(root), 'utf8'));
}
