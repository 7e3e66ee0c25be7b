/** Frames on the pipe between parent and child: u32be JSON length, u32be payload length, JSON, payload. */
import type { Duplex } from 'node:stream';
import { allocSecret, concatBytes, u32be, utf8, zeroize } from '../../core/bytes.ts';

const PREFIX_BYTES = 8;
/** Names, shapes and types of a run's values; a thousand inputs fit. */
const JSON_BYTES_MAX = 1024 * 1024;
/** Values of one run, packed. */
const PAYLOAD_BYTES_MAX = 0x7fffffff;

export interface Frame {
  readonly head: Record<string, unknown>;
  readonly payload: Uint8Array;
}

/** Sends one frame; resolves when the bytes left this process, after which the copy made here is wiped. */
export function sendFrame(pipe: Duplex, head: object, payload: Uint8Array = new Uint8Array()): Promise<void> {
  const json = utf8(JSON.stringify(head));
  if (json.length > JSON_BYTES_MAX || payload.length > PAYLOAD_BYTES_MAX) throw new TypeError('frame too long');
  const bytes = concatBytes(u32be(json.length), u32be(payload.length), json, payload);
  return new Promise((resolve, reject) => {
    pipe.write(bytes, (error) => {
      zeroize(bytes);
      if (error) reject(error);
      else resolve();
    });
  });
}

/**
 * Returns the receiver of a pipe's chunks: calls `onFrame` for every frame, in order, and `onBroken` once when the other
 * side sends something else. What is received is wiped once it is copied into its frame: the first one carries a key.
 */
export function createFrameReceiver(handlers: {
  readonly onFrame: (frame: Frame) => void;
  readonly onBroken: () => void;
}): (chunk: Uint8Array) => void {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let isBroken = false;

  const take = (length: number): Uint8Array => {
    const joined = pending.length === 1 ? pending[0] : concatBytes(...pending);
    const taken = joined.slice(0, length);
    const rest = joined.slice(length);
    zeroize(joined, ...pending);
    pending = [rest];
    pendingBytes = rest.length;
    return taken;
  };
  const peekPrefix = (): DataView => {
    if (pending[0].length < PREFIX_BYTES) pending = [concatBytes(...pending)];
    return new DataView(pending[0].buffer, pending[0].byteOffset, PREFIX_BYTES);
  };

  return (chunk) => {
    if (isBroken) return;
    // A plain array: slices of a Buffer share its memory, and wiping one would wipe the other.
    pending.push(new Uint8Array(chunk));
    zeroize(chunk);
    pendingBytes += chunk.length;
    while (pendingBytes >= PREFIX_BYTES) {
      const prefix = peekPrefix();
      const [jsonBytes, payloadBytes] = [prefix.getUint32(0), prefix.getUint32(4)];
      const isSane = jsonBytes <= JSON_BYTES_MAX && payloadBytes <= PAYLOAD_BYTES_MAX;
      const frameBytes = PREFIX_BYTES + jsonBytes + payloadBytes;
      if (isSane && pendingBytes < frameBytes) return;
      const head = isSane ? findObject(take(frameBytes), jsonBytes) : undefined;
      if (head === undefined) {
        isBroken = true;
        handlers.onBroken();
        return;
      }
      handlers.onFrame(head);
    }
  };
}

function findObject(bytes: Uint8Array, jsonBytes: number): Frame | undefined {
  const payload = allocSecret(bytes.length - PREFIX_BYTES - jsonBytes);
  payload.set(bytes.subarray(PREFIX_BYTES + jsonBytes));
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(
      bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + jsonBytes),
    );
    const head: unknown = JSON.parse(text);
    return typeof head === 'object' && head !== null ? { head: head as Record<string, unknown>, payload } : undefined;
  } catch {
    return undefined;
  } finally {
    zeroize(bytes);
  }
}
