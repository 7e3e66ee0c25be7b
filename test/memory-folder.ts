/** A folder held in memory, for tests of what reads through SourceFolder. */
import { SourceError } from '../src/core/errors.ts';
import { openBufferSource } from '../src/source/buffer.ts';
import type { SourceFolder } from '../src/source/ports.ts';

export function memoryFolder(files: Readonly<Record<string, Uint8Array>>): SourceFolder & { names: readonly string[] } {
  return {
    label: 'memory',
    names: Object.keys(files),
    open(name) {
      const bytes = Object.hasOwn(files, name) ? files[name] : undefined;
      if (bytes === undefined) throw new SourceError('SOURCE_NOT_FOUND', { fields: { file: name } });
      return openBufferSource(name, bytes);
    },
  };
}
