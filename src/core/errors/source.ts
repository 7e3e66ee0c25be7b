/** Error codes of byte sources, folders and the atomic writer. */
import { defineErrors, EXIT } from './table.ts';

export const sourceErrors = defineErrors({
  SOURCE_NOT_FOUND: { message: 'The file does not exist.', exit: EXIT.environment, http: 404, fix: 'Check the path.' },
  SOURCE_UNREADABLE: {
    message: 'The file cannot be read.',
    exit: EXIT.environment,
    http: 500,
    fix: 'Check that it is a file, that this user may read it, and that the disk is sound.',
  },
  SOURCE_NOT_A_FILE: {
    message: 'The path is a folder, a device or a pipe; only regular files are read.',
    exit: EXIT.environment,
    http: 422,
    fix: 'Name the file itself; write what comes out of a pipe or a device to a file first.',
  },
  SOURCE_SHORT_READ: {
    message: 'The file ended before the bytes that were asked for.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'The file is cut off: copy or download it again.',
  },
  SOURCE_OUTSIDE_FOLDER: {
    message: 'The path leaves the folder of the model.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Put the data beside the model file; names may not contain "..", absolute paths or drive letters.',
  },
  SOURCE_LINK_REFUSED: {
    message: 'The path is a link, and links are refused by default.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Pass --data-root DIR: links are then followed, and every opened file must lie under DIR.',
  },
  SOURCE_CHANGED: {
    message: 'The file changed while it was being read.',
    exit: EXIT.environment,
    http: 409,
    fix: 'Run again when nothing writes to the file.',
  },
  WRITE_OUTSIDE_FOLDER: {
    message: 'The name of an output file leaves the output folder.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Believe nothing else of this file, either: no honest tool writes such a name.',
  },
  WRITE_FAILED: {
    message: 'The output could not be written.',
    exit: EXIT.environment,
    http: 500,
    fix: 'Check free space, and that this user may write to the folder.',
  },
  WRITE_SEVERAL_FILES: {
    message: 'The edit changes several files of the model, which no single rename can put in place.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Give the edited copy of the whole model another place: --out DIR.',
  },
  WRITE_OVER_INPUT: {
    message: 'The output would replace a file that it is made from, or the folder of one.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Give the output another name or folder; --force does not help here.',
  },
  WRITE_EXISTS: {
    message: 'The output already exists.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Choose another --out, or pass --force to replace it.',
  },
});
