/** Which file names may be inside a seal: whoever opens one writes files of these names. */
import { utf8 } from '../core/bytes.ts';
import { SEAL_LIMITS } from '../core/limits/seal.ts';

/** Why a name is refused, or undefined: relative, "/" between parts, no way out of a folder on any system. */
export function findNameFault(name: string): string | undefined {
  if (name === '' || utf8(name).length > SEAL_LIMITS.nameBytesMax) return 'length';
  // Control characters, lone surrogates, separators of other systems, and ":" (drives, streams).
  if (/[\p{Cc}\p{Cs}\\:]/u.test(name)) return 'characters';
  if (name.split('/').some((part) => part === '' || part === '.' || part === '..')) return 'path';
  return undefined;
}

/** True when two names are one file on a system that folds case or normalises letters. */
export function hasNameClash(names: readonly string[]): boolean {
  return new Set(names.map((name) => name.normalize('NFC').toLowerCase())).size !== names.length;
}
