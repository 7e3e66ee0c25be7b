/** The listening socket: shares of connections, TLS 1.3 or none, and which HTTP a connection speaks. */
import { constants } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { GatewayError } from '../../core/errors.ts';
import { createPeerShares } from '../../core/peer-shares.ts';
import type { Peer } from '../../gateway/ports.ts';
import type { FrontCore } from './core.ts';
import { type Inlet, toPlainInlet } from './inlet.ts';
import { toPeer, toPeerCertificate } from './peer.ts';
import { toTlsInlet } from './stream-inlet.ts';
import type { TlsMaterial } from './tls-files.ts';
import type { ClientCertificates } from './types.ts';

export interface Speakers {
  /** @param inlet - through which the socket is read; null for one that is a stream alone */
  http1(socket: Socket, peer: Peer, inlet: Inlet | null): void;
  http2(socket: Socket, peer: Peer): void;
}

/** Plaintext: HTTP/1.x, or HTTP/2 by its preface (RFC 9113, section 3.3). */
export function createPlainListener(core: FrontCore, speakers: Speakers): Server {
  const admit = createAdmission(core);
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (accepted) => {
    const inlet = toPlainInlet(accepted);
    if (admit(inlet.socket)) greet(core, speakers, inlet);
  });
  return withMost(core, server);
}

/** Waits for the first piece of what comes. */
function greet(core: FrontCore, speakers: Speakers, inlet: Inlet): void {
  const { socket } = inlet;
  socket.on('error', () => undefined);
  const end = (): void => {
    socket.destroy();
  };
  const patience = setTimeout(end, core.limits.headersTimeoutMs).unref();
  core.newcomers.add(socket);
  const settle = (): void => {
    clearTimeout(patience);
    core.newcomers.delete(socket);
  };
  socket.once('close', settle);
  // Nobody is told of the end of a stream that does not flow.
  socket.once('end', end).resume();
  const take = (begin: Buffer): boolean => {
    settle();
    socket.off('end', end);
    inlet.reader = null;
    const peer = toPeer(socket.remoteAddress, null);
    if (isPreface(begin)) {
      // Half of a connection can end a request of HTTP/1; of HTTP/2 it is a client that has gone.
      socket.allowHalfOpen = false;
      speakers.http2(socket, peer);
      // Read in the session's first turn, which comes before that of a stream that flows.
      socket.unshift(Buffer.from(begin));
      return true;
    }
    speakers.http1(socket, peer, inlet);
    return inlet.take(begin);
  };
  inlet.reader = { take, room: null };
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n');

function isPreface(begin: Buffer): boolean {
  return begin.length >= PREFACE.length && begin.subarray(0, PREFACE.length).equals(PREFACE);
}

export interface TlsListenerOptions {
  readonly core: FrontCore;
  readonly speakers: Speakers;
  readonly material: TlsMaterial;
  readonly clientCertificates: ClientCertificates;
}

/** @throws TlsError never: the material was tried */
export function createTlsListener({ core, speakers, material, clientCertificates }: TlsListenerOptions) {
  const asksClients = clientCertificates !== 'none';
  const server = createTlsServer({
    ...material.options,
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: core.limits.handshakeTimeoutMs,
    noDelay: true,
    requestCert: asksClients,
    rejectUnauthorized: clientCertificates === 'required',
    // A resumed session is not verified again: a certificate that was revoked or is over would go on being taken.
    ...(asksClients ? { secureOptions: constants.SSL_OP_NO_TICKET } : {}),
  });
  server.on('tlsClientError', (_error, socket) => {
    core.counts.handshakesFailed++;
    // After a timeout Node leaves it open.
    socket.destroy();
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.on('error', () => undefined);
    const certificate = asksClients ? socket.getPeerX509Certificate() : undefined;
    // "Optional" is about showing one: one that is shown and not verified is never taken for none.
    if (certificate !== undefined && !socket.authorized) {
      core.counts.handshakesFailed++;
      socket.destroy();
      return;
    }
    const peer = toPeer(socket.remoteAddress, certificate === undefined ? null : toPeerCertificate(certificate));
    if (socket.alpnProtocol === 'h2') speakers.http2(socket, peer);
    else speakers.http1(socket, peer, toTlsInlet(socket));
  });
  // Before the listener of TLS, which is there already, has begun its handshake: it has only been told of the socket.
  server.prependListener('connection', createAdmission(core));
  return withMost(core, server);
}

function withMost<S extends Server>(core: FrontCore, server: S): S {
  server.maxConnections = core.limits.connectionsMax;
  server.on('drop', () => {
    core.counts.connectionsRefused++;
  });
  return server;
}

/** Lets a connection in while its peer has a share left; true when it is let in. */
function createAdmission(core: FrontCore): (socket: Socket) => boolean {
  const shares = createPeerShares(core.limits.connectionsMax);
  return (socket) => {
    const leave = shares.enter(socket.remoteAddress ?? '');
    if (leave === null) {
      core.counts.connectionsRefused++;
      socket.destroy();
      return false;
    }
    core.sockets.add(socket);
    socket.once('close', () => {
      core.sockets.delete(socket);
      leave();
    });
    return true;
  };
}

/** @throws GatewayError SERVER_LISTEN_FAILED */
export function listen(server: Server, at: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', (cause) => {
      fail(new GatewayError('SERVER_LISTEN_FAILED', { cause, fields: { host: at.host, port: at.port } }));
    });
    server.listen({ ...at, backlog: 1024 }, done);
  });
}
