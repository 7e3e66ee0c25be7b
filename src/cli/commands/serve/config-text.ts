/** The text of a configuration: YAML, of which JSON is a part. */

/** A string, and the colon behind the name of a member. */
const STRINGS = /"(?:[^"\\]|\\.)*"(\s*:)?/g;

/**
 * Most configurations that programs write are JSON, for which no reader of YAML is loaded.
 * @throws Error for what is neither, and for members given twice
 */
export async function parseConfigText(text: string): Promise<unknown> {
  const json = readJson(text);
  if (json !== undefined) return json;
  const { parse } = await import('yaml');
  // An alias that is repeated grows without end: few are enough for any configuration.
  return parse(text, { maxAliasCount: 32 });
}

/** Undefined for what is no JSON, and where a member is given twice, which YAML refuses by its name. */
function readJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    let named = 0;
    for (const string of text.matchAll(STRINGS)) if (string.at(1) !== undefined) named++;
    return named === countMembers(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, member) => sum + countMembers(member), own);
}
