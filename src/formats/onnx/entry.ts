/** Pairs of a key and a value: metadata, external data, quantisation parameters. */
import { isBytes, type OnnxContext } from './context.ts';
import type { Fields } from './wire.ts';

/** StringStringEntryProto. */
export function readEntry(context: OnnxContext, fields: Fields): readonly [string, string] {
  context.spend(160, fields.end);
  let key = '';
  let value = '';
  while (fields.next()) {
    if (isBytes(fields, 1)) key = context.text(fields);
    else if (isBytes(fields, 2)) value = context.text(fields);
  }
  return [key, value];
}
