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
  OBJECT_ADDRESS_INVALID: {
    message: 'The address of the object cannot be read.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Write it as s3://BUCKET/KEY or gs://BUCKET/KEY; docs/object-stores.md lists the parameters.',
  },
  OBJECT_NOT_TAKEN: {
    message: 'This word has to be a path on this machine; objects in stores are not taken here.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Copy the object to a file first; docs/object-stores.md lists the commands that take addresses.',
  },
  OBJECT_CREDENTIALS: {
    message: 'There are no credentials for the object store that can be used.',
    exit: EXIT.environment,
    http: 401,
    fix: 'docs/object-stores.md lists where they are looked for; "reason" tells what is wrong with those that were found.',
  },
  OBJECT_REFUSED: {
    message: 'The object store refuses the request.',
    exit: EXIT.environment,
    http: 403,
    fix: 'Ask for the right to read (or write) this object. The clock of this machine must be right, too.',
  },
  OBJECT_REDIRECTED: {
    message: 'The object store sends elsewhere, which is not followed.',
    exit: EXIT.environment,
    http: 502,
    fix: 'Name the region of the bucket: s3://BUCKET/KEY?region=REGION. "region" is the one that the store names.',
  },
  OBJECT_STORE_UNAVAILABLE: {
    message: 'The object store cannot be reached, or does not answer as it should.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Try again; nothing was changed.',
  },
  OBJECT_STORE_UNTRUSTED: {
    message: 'The certificate of the object store is not trusted.',
    exit: EXIT.environment,
    http: 502,
    fix: 'Check the end point. Node trusts a further authority with NODE_EXTRA_CA_CERTS=FILE.',
  },
  OBJECT_REPLY_MALFORMED: {
    message: 'The object store gave an answer that cannot be used.',
    exit: EXIT.environment,
    http: 502,
    fix: 'Check that the end point is an object store that speaks this protocol; "at" tells what was wrong.',
  },
  OBJECT_TOO_LARGE: {
    message: 'The object would be larger than an upload may be.',
    exit: EXIT.usage,
    http: 413,
    fix: 'Seal to a file, and upload it with the tools of the store.',
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
