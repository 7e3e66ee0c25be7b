/** Names of files inside a model's folder: the lexical half of containment, without touching a disk. */

/**
 * The parts of a relative name, "." parts dropped, or undefined when the name could leave its folder or mean different
 * files on different systems: empty, absolute, "..", backslash, drive letter, NUL.
 *
 * "a/../b" is refused as a whole rather than simplified: simplifying is where earlier readers were bypassed
 * (CVE-2022-25882, CVE-2024-27318).
 */
export function findContainedParts(name: string): readonly string[] | undefined {
  if (name.length === 0 || name.length > 4096 || /[\\\0]/.test(name)) return undefined;
  if (name.startsWith('/') || /^[A-Za-z]:/.test(name)) return undefined;
  const parts = name.split('/').filter((part) => part !== '.');
  const bad = parts.some((part) => part === '' || part === '..' || Buffer.byteLength(part) > 255);
  return bad || parts.length === 0 ? undefined : parts;
}
