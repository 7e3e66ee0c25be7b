/** One connection has few requests under way: HTTP lets a client send any number before it reads an answer. */
import type { Socket } from 'node:net';
import type { ServerResponse } from 'node:http';

/** Requests of one connection that are not answered yet; clients that are known wait for each answer. */
export const PIPELINED_MAX = 8;

/** Says whether a request may be worked on; a connection with too many is closed, with all that it asked. */
export function limitPipelines(): (socket: Socket, response: ServerResponse) => boolean {
  const running = new WeakMap<Socket, number>();
  const count = (socket: Socket, by: number): number => {
    const now = (running.get(socket) ?? 0) + by;
    running.set(socket, now);
    return now;
  };
  return (socket, response) => {
    // What was read with the one too many is still taken apart after the end of the connection.
    if (socket.destroyed) return false;
    if (count(socket, 1) > PIPELINED_MAX) {
      socket.destroy();
      return false;
    }
    response.once('close', () => {
      count(socket, -1);
    });
    return true;
  };
}
