/** Sections of the AWS shared configuration files, read in time that grows with their length alone. */

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Values of `[section]`, by lower-case name; undefined where there is no such section. Nested values are left out. */
export function findProfile(text: string, section: string): Readonly<Record<string, string | undefined>> | undefined {
  let values: Record<string, string> | undefined;
  let isInside = false;
  for (const line of text.split(/\r?\n/)) {
    const header = findHeader(line);
    if (header !== undefined) {
      isInside = header === section;
      if (isInside) values ??= Object.create(null) as Record<string, string>;
      continue;
    }
    // Nested ones are indented: then this is no name.
    const equals = line.indexOf('=');
    const name = line.slice(0, Math.max(0, equals)).trimEnd();
    if (isInside && values !== undefined && NAME.test(name)) values[name.toLowerCase()] = line.slice(equals + 1).trim();
  }
  return values;
}

/** Name of the section that a line begins, its blanks made one each. */
function findHeader(line: string): string | undefined {
  const end = line.indexOf(']');
  if (!line.startsWith('[') || end < 0) return undefined;
  const behind = line.slice(end + 1).trimStart();
  return /^(?:$|[#;])/.test(behind) ? line.slice(1, end).trim().split(/\s+/).join(' ') : undefined;
}
