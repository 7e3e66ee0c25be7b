/** A collector of OpenTelemetry that keeps every byte that it is sent. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Collector {
  readonly url: string;
  /** Paths and bodies until now. */
  readonly told: () => Buffer;
  close(): void;
}

export async function openCollector(): Promise<Collector> {
  const chunks: Buffer[] = [];
  const server = createServer((request, response) => {
    chunks.push(Buffer.from([request.url, ...request.rawHeaders, ''].join('\n'), 'latin1'));
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    told: () => Buffer.concat(chunks),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
