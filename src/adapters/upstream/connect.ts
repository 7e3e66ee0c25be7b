/** One connection to an inference server: the name is looked up once, the address checked, and that address connected to. */
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net';
import { type ConnectionOptions as TlsConnectOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { GatewayError } from '../../core/errors.ts';
import { type AddressCheck, isLoopback } from './addresses.ts';
import { toTimeout, toUnreachable } from './failures.ts';
import type { Origin } from './origin.ts';
import { hasPin, type TlsMaterial } from './tls-material.ts';
import type { UpstreamLimits, UpstreamOptions } from './types.ts';

export interface ConnectOptions {
  readonly origin: Origin;
  readonly allowPlaintext: boolean;
  readonly addresses: AddressCheck;
  /** null for plaintext. */
  readonly tls: TlsMaterial | null;
  readonly protocol: 'http/1.1' | 'h2';
  readonly limits: UpstreamLimits;
  readonly resolve: NonNullable<UpstreamOptions['resolve']>;
  /** Without it the socket is read as a stream. */
  readonly readInto?: ReadInto;
}

/** All that comes is read into one block of so many bytes, and handed over for the time of the call. */
export interface ReadInto {
  readonly bytes: number;
  /** @returns false where no more is to be read until the socket is resumed */
  readonly take: (bytes: Buffer) => boolean;
}

/** As Node's resolver does it, so that /etc/hosts and the names of a cluster count. */
export async function resolveBySystem(hostname: string): Promise<readonly string[]> {
  return (await lookup(hostname, { all: true })).map(({ address }) => address);
}

/**
 * Connects, within the time of the limits.
 * @throws GatewayError GATEWAY_UPSTREAM_UNREACHABLE | GATEWAY_UPSTREAM_TIMEOUT
 */
export async function connectUpstream(options: ConnectOptions): Promise<Socket> {
  const attempt = new Attempt();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_done, fail) => {
    timer = setTimeout(() => {
      attempt.giveUp();
      fail(toTimeout('connect'));
    }, options.limits.connectTimeoutMs);
  });
  try {
    return await Promise.race([connectOne(options, attempt), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The socket that is being connected, so that it can be ended from outside. */
class Attempt {
  isOver = false;
  socket: Socket | null = null;

  giveUp(): void {
    this.isOver = true;
    this.socket?.destroy();
  }
}

/** Tries the addresses of the name one after the other. */
async function connectOne(options: ConnectOptions, attempt: Attempt): Promise<Socket> {
  const addresses = await findAddresses(options);
  let failure: unknown;
  for (const address of addresses) {
    if (attempt.isOver) break;
    try {
      return await connectTo(options, address, attempt);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** @throws GatewayError GATEWAY_UPSTREAM_UNREACHABLE where no address of the name may be asked */
async function findAddresses(options: ConnectOptions): Promise<readonly string[]> {
  const { origin, addresses, allowPlaintext, limits } = options;
  const found = isIP(origin.hostname) === 0 ? await resolve(options) : [origin.hostname];
  const allowed = found.filter((address) => addresses.isAllowed(address)).slice(0, limits.addressesMax);
  if (allowed.length === 0) throw toUnreachable(found.length === 0 ? 'name' : 'address');
  if (origin.isTls || allowPlaintext) return allowed;
  const local = allowed.filter(isLoopback);
  if (local.length === 0) throw toUnreachable('plaintext');
  return local;
}

async function resolve({ origin, resolve }: ConnectOptions): Promise<readonly string[]> {
  try {
    return await resolve(origin.hostname);
  } catch (cause) {
    throw toUnreachable('name', cause);
  }
}

function connectTo(options: ConnectOptions, address: string, attempt: Attempt): Promise<Socket> {
  const { origin, tls, protocol } = options;
  const more = toReading(options);
  return new Promise((done, fail) => {
    const secured = tls === null ? null : openTls(origin, address, { ...tls.options, ...more }, tls, protocol);
    const socket = secured ?? connectTcp({ host: address, port: origin.port, ...more });
    attempt.socket = socket;
    socket.setNoDelay(true).setKeepAlive(true, 60_000);
    socket.once(tls === null ? 'connect' : 'secureConnect', () => {
      const fault = secured === null || tls === null ? null : findTlsFault(secured, tls, protocol);
      if (fault === null) done(socket);
      else socket.destroy(fault);
    });
    // Stays for good: an error between two users of the socket must not be nobody's.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      fail(error instanceof GatewayError ? error : toUnreachable(toReason(error, tls !== null), error));
    });
    socket.once('close', () => {
      fail(toUnreachable('reset'));
    });
  });
}

interface Reading {
  readonly onread?: OnReadOpts;
  readonly highWaterMark?: number;
}

function toReading({ readInto, tls }: ConnectOptions): Reading {
  // Node's own buffers are of 16 KiB: large answers would come in four times as many pieces.
  if (readInto === undefined) return tls === null ? { highWaterMark: 64 * 1024 } : {};
  const { bytes, take } = readInto;
  return {
    onread: {
      buffer: Buffer.allocUnsafeSlow(bytes),
      callback: (length, block) => take((block as Buffer).subarray(0, length)),
    },
  };
}

function openTls(
  { hostname, port }: Origin,
  host: string,
  options: TlsConnectOptions,
  { servername }: TlsMaterial,
  protocol: string,
): TLSSocket {
  const name = servername ?? hostname;
  return connectTls({
    ...options,
    host,
    port,
    ALPNProtocols: [protocol],
    // Said, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment has no say. Names are checked by Node's own rule,
    // against `servername`, or the address where there is none.
    rejectUnauthorized: true,
    ...(isIP(name) === 0 ? { servername: name } : {}),
  });
}

function findTlsFault(socket: TLSSocket, tls: TlsMaterial, protocol: string): GatewayError | null {
  if (!socket.authorized) return toUnreachable('tls');
  if (protocol === 'h2' && socket.alpnProtocol !== 'h2') return toUnreachable('tls');
  const certificate = socket.getPeerX509Certificate();
  return certificate !== undefined && hasPin(certificate, tls.pins) ? null : toUnreachable('pin');
}

function toReason(error: NodeJS.ErrnoException, isTls: boolean): 'refused' | 'reset' | 'tls' {
  if (error.code === 'ECONNREFUSED') return 'refused';
  return isTls && error.syscall === undefined ? 'tls' : 'reset';
}
