/** Sections of the AWS shared configuration files. */

/** Values of `[section]`, by lower-case name; undefined where there is no such section. Nested values are left out. */
export function findProfile(text: string, section: string): Readonly<Record<string, string | undefined>> | undefined {
  let values: Record<string, string> | undefined;
  let isInside = false;
  for (const line of text.split(/\r?\n/)) {
    const header = /^\[\s*([^\]]*?)\s*\]\s*(?:[#;].*)?$/.exec(line)?.[1];
    if (header !== undefined) {
      isInside = header.replace(/\s+/g, ' ') === section;
      if (isInside) values ??= Object.create(null) as Record<string, string>;
      continue;
    }
    const value = /^([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line);
    if (isInside && value !== null && values !== undefined) values[value[1].toLowerCase()] = value[2];
  }
  return values;
}
