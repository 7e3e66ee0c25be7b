/** Members that stand twice in one JSON object: parsers take the last one, and a reader the first. */

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[{}]/g;

/**
 * The first member name that stands twice in an object; undefined when there is none.
 * @param text JSON that was parsed: only strings, braces and colons are looked at
 */
export function findDuplicateMember(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (const [token, colon] of text.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if ((colon as string | undefined) !== undefined) {
      // Two spellings of a name are one name.
      const name = JSON.parse(token.slice(0, -colon.length)) as string;
      const names = open.at(-1);
      if (names?.has(name) === true) return name;
      names?.add(name);
    }
  }
  return undefined;
}
