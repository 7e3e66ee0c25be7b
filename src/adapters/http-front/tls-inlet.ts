/** An inlet of TLS. Node's sockets have a way to read into given memory, which its servers of TLS have no option for. */
import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Inlet } from './inlet.ts';

interface Reading {
  useUserBuffer?: (block: Uint8Array) => void;
}

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

/** @returns null where this Node does not read in this way: the socket is a stream alone then */
export function toTlsInlet(socket: TLSSocket): Inlet | null {
  const { _handle: handle } = socket as unknown as { _handle: Reading | null };
  const held = socket as unknown as Record<symbol, unknown>;
  if (places === null || typeof handle?.useUserBuffer !== 'function') return null;
  const { block, buffer, callback } = places;
  if ([block, buffer, callback].some((symbol) => held[symbol] !== null)) return null;
  return new Inlet((onread) => {
    const first = onread.buffer()!;
    held[block] = first;
    held[buffer] = onread.buffer;
    held[callback] = onread.callback;
    handle.useUserBuffer!(first);
    return socket.resume();
  });
}
