/** Pictures, sounds and films in messages: they come along as data, since servers fetch addresses that callers name. */
import { refuse } from '../../tensors/refuse.ts';
import type { JsonReader } from '../../json/reader.ts';
import { type Members, openMember } from './members.ts';

/** `image_url`, `video_url`, `audio_url`, and `url` in them. */
const ADDRESS = /(?:^|_)ur[il]$/i;
const DATA = Buffer.from('"data:');

/**
 * Holds every address in `messages` against `data:`. With any other one a caller has the server ask machines that he does not reach
 * himself, or read its own files.
 * @throws GatewayError GATEWAY_INPUT_MALFORMED
 * @see https://owasp.org/www-community/attacks/Server_Side_Request_Forgery
 */
export function checkMedia(members: Members): void {
  const member = members.byName.get('messages');
  if (member === undefined) return;
  const text = members.bytes.subarray(member.start, member.end);
  if (!mayName(text)) return;
  checkValue(openMember(members, member), text);
}

/** With "\u" a name can be written in other letters; some servers read names without regard to their size. */
const MAY_NAME = /ur[il]|\\u/i;

/** Whether an address can stand in it: usual chats are looked through, and not read. */
function mayName(bytes: Uint8Array): boolean {
  return MAY_NAME.test(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'));
}

/** Depth is the reader's to bound. */
function checkValue(reader: JsonReader, text: Uint8Array): void {
  const kind = reader.peek();
  if (kind === 'array') {
    reader.enterArray();
    while (reader.nextElement()) checkValue(reader, text);
  } else if (kind === 'object') {
    reader.enterObject();
    for (let name = reader.nextKey(); name !== null; name = reader.nextKey()) {
      if (reader.peek() === 'string' && ADDRESS.test(name) && !isData(text, reader.at)) {
        refuse('GATEWAY_INPUT_MALFORMED', 'messages', { problem: 'an address that is not data:' });
      }
      checkValue(reader, text);
    }
  } else reader.skip();
}

/** An escape in it is no "data:" here, whatever it stands for. */
function isData(text: Uint8Array, at: number): boolean {
  return DATA.equals(text.subarray(at, at + DATA.length));
}
