/** A model as a plan would write it, opened before any byte of it is written. */
import { basename, dirname } from 'node:path';
import { SourceError } from '../../core/errors.ts';
import { openModel } from '../../formats/index.ts';
import type { Model } from '../../model/types.ts';
import { openRewriteSource, type RewritePlan } from '../../source/index.ts';
import type { ByteSource } from '../../source/ports.ts';

/**
 * @param names name of every file of the plan; the main file is opened under the first one's base name
 * @throws FormatError when the plan does not give a readable model
 */
export function openPlannedModel(plan: RewritePlan, names: readonly string[]): Model {
  const open = (index: number): ByteSource => openRewriteSource(basename(names[index]), plan.files[index].ops);
  const inFolder = plan.files.map(({ name }) => name);
  return openModel({
    source: open(0),
    name: basename(names[0]),
    folder: {
      label: basename(dirname(names[0])),
      open(name) {
        const index = inFolder.indexOf(name);
        if (index < 0) throw new SourceError('SOURCE_NOT_FOUND', { fields: { name } });
        return open(index);
      },
    },
  });
}
