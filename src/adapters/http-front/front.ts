/** One listener for all that asks the gateway: framing, caps, patience, TLS 1.3, client certificates. The rest is the handler's. */
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Peer } from '../../gateway/ports.ts';
import { Connection } from './connection.ts';
import { FrontCore } from './core.ts';
import { createHttp1 } from './http1.ts';
import { createHttp2 } from './http2.ts';
import type { Inlet } from './inlet.ts';
import { createPlainListener, createTlsListener, listen, type Speakers } from './listener.ts';
import { readTlsFiles, toTlsMaterial } from './tls-files.ts';
import { type TlsWatch, watchTls } from './tls-watch.ts';
import type { HttpFront, HttpFrontOptions, HttpFrontStats } from './types.ts';

/**
 * Opens the front.
 * @throws TlsError for the files; GatewayError SERVER_LISTEN_FAILED
 */
export async function openHttpFront(options: HttpFrontOptions): Promise<HttpFront> {
  const core = new FrontCore({ ...options, isTls: options.tls !== null });
  const speakers = createSpeakers(core);
  try {
    const { server, watch } = await createListener(options, core, speakers);
    await listen(server, options);
    return toFront({ core, server, watch });
  } catch (error) {
    core.close();
    throw error;
  }
}

function createSpeakers(core: FrontCore): Speakers {
  const [http1, http2] = [createHttp1(core), createHttp2(core)];
  return {
    http1: (socket: Socket, peer: Peer, inlet: Inlet | null) => {
      http1(new Connection(core, socket, peer), inlet);
    },
    http2: (socket: Socket, peer: Peer) => {
      http2(new Connection(core, socket, peer));
    },
  };
}

async function createListener(
  { tls }: HttpFrontOptions,
  core: FrontCore,
  speakers: Speakers,
): Promise<{ server: Server; watch: TlsWatch | null }> {
  if (tls === null) return { server: createPlainListener(core, speakers), watch: null };
  const material = toTlsMaterial(await readTlsFiles(tls), Date.now());
  const { clientCertificates } = tls;
  const server = createTlsListener({ core, speakers, material, clientCertificates });
  return { server, watch: watchTls(core, { server, tls, begin: material }) };
}

interface Parts {
  readonly core: FrontCore;
  readonly server: Server;
  readonly watch: TlsWatch | null;
}

function toFront({ core, server, watch }: Parts): HttpFront {
  const closed = new Promise<void>((done) => {
    server.once('close', done);
  });
  let isListening = true;
  const stopListening = (): void => {
    if (isListening) server.close();
    isListening = false;
  };
  const stopAccepting = (): void => {
    stopListening();
    core.drain();
  };
  return {
    port: (server.address() as AddressInfo).port,
    stats: toStats(core, watch),
    reloadTls: () => watch?.reload() ?? Promise.resolve(false),
    beginDraining: () => {
      core.isDraining = true;
    },
    stopAccepting,
    drain: async (timeoutMs) => {
      core.isDraining = true;
      stopListening();
      const startedMs = performance.now();
      await untilAsked(core, timeoutMs);
      core.drain();
      return untilIdle(core, Math.max(0, timeoutMs - (performance.now() - startedMs)));
    },
    close: async () => {
      watch?.stop();
      stopAccepting();
      core.close();
      await closed;
    },
  };
}

const ASKED_ROUND_MS = 25;

/**
 * Who sent a request before he could know of the end is to have his answer: balancers do not ask another server for what they have
 * sent to one (RFC 9110, section 9.2.2).
 */
async function untilAsked(core: FrontCore, timeoutMs: number): Promise<void> {
  const { lastRequestMs, firstRequestMs } = core.limits;
  const startedMs = performance.now();
  const isWorthWaiting = (): boolean => {
    const waitedMs = performance.now() - startedMs;
    if (core.sockets.size === 0 || waitedMs >= timeoutMs) return false;
    return waitedMs < lastRequestMs || (waitedMs < firstRequestMs && core.hasSilent);
  };
  while (isWorthWaiting()) await new Promise((done) => setTimeout(done, ASKED_ROUND_MS));
}

function untilIdle(core: FrontCore, timeoutMs: number): Promise<boolean> {
  return new Promise((done) => {
    const timer = setTimeout(() => {
      done(false);
    }, timeoutMs);
    core.whenIdle(() => {
      clearTimeout(timer);
      done(true);
    });
  });
}

/** A view: each look at it shows the counts as they are then. */
function toStats(core: FrontCore, watch: TlsWatch | null): HttpFrontStats {
  const { counts } = core;
  return {
    get connectionsNow() {
      return core.connections.size;
    },
    get requestsNow() {
      return counts.requestsNow;
    },
    get bodiesBytesNow() {
      return counts.bodiesBytesNow;
    },
    get connections() {
      return counts.connections;
    },
    get connectionsRefused() {
      return counts.connectionsRefused;
    },
    get handshakesFailed() {
      return counts.handshakesFailed;
    },
    get requests() {
      return counts.requests;
    },
    get answersCut() {
      return counts.answersCut;
    },
    get floods() {
      return counts.floods;
    },
    refusals: counts.refusals,
    get tls() {
      if (watch === null) return null;
      const { reloads, reloadsRefused } = counts;
      return { reloads, reloadsRefused, notAfterMs: watch.material.notAfterMs };
    },
  };
}
