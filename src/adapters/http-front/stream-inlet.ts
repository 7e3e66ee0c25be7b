/** Inlets of TLS and HTTP/2. Node's sockets have a way to read into given memory, for which its servers of these have no option. */
import type { ServerHttp2Stream } from 'node:http2';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { Inlet } from './inlet.ts';

/** What Node has below a stream. */
interface Handle {
  readonly useUserBuffer: (block: Uint8Array) => void;
}

const isHandle = (value: unknown): value is Handle =>
  typeof (value as Partial<Handle> | null | undefined)?.useUserBuffer === 'function';

/** Where a socket of Node keeps the options of its `onread`: the memory, who gives it, and who is told. */
interface Places {
  readonly block: symbol;
  readonly buffer: symbol;
  readonly callback: symbol;
}

/** null where this Node keeps them elsewhere. */
function findPlaces(): Places | null {
  const onread = { buffer: () => new Uint8Array(1), callback: () => true };
  const socket = new Socket({ onread } as object);
  const symbols = Object.getOwnPropertySymbols(socket);
  const held = socket as unknown as Record<symbol, unknown>;
  const find = (is: (symbol: symbol) => boolean): symbol | undefined => symbols.find(is);
  // Until there is a handle to read with.
  const block = find((symbol) => symbol.description === 'kBuffer' && held[symbol] === true);
  const buffer = find((symbol) => held[symbol] === onread.buffer);
  const callback = find((symbol) => held[symbol] === onread.callback);
  return block === undefined || buffer === undefined || callback === undefined ? null : { block, buffer, callback };
}

const places = findPlaces();

/** @returns null where this Node does not read in this way, or the stream does already: it is a stream alone then */
function toInlet<S extends Duplex>(stream: S, handle: unknown): Inlet<S> | null {
  const held = stream as unknown as Record<symbol, unknown>;
  if (places === null || !isHandle(handle)) return null;
  const { block, buffer, callback } = places;
  if ([block, buffer, callback].some((symbol) => (held[symbol] ?? null) !== null)) return null;
  return new Inlet((onread) => {
    const first = onread.buffer()!;
    held[block] = first;
    held[buffer] = onread.buffer;
    held[callback] = onread.callback;
    handle.useUserBuffer(first);
    return stream.resume();
  });
}

/** @returns null where it is a stream alone */
export function toTlsInlet(socket: TLSSocket): Inlet | null {
  return toInlet(socket, (socket as unknown as { _handle: unknown })._handle);
}

let http2Handle: symbol | undefined;

/** @returns null where it is a stream alone, as one of which something came already */
export function toHttp2Inlet(stream: ServerHttp2Stream): Inlet<ServerHttp2Stream> | null {
  if (stream.readableLength > 0) return null;
  const held = stream as unknown as Record<symbol, unknown>;
  http2Handle ??= Object.getOwnPropertySymbols(stream).find((symbol) => isHandle(held[symbol]));
  return http2Handle === undefined ? null : toInlet(stream, held[http2Handle]);
}
