/** What the front is opened with, and what it tells of itself. */
import type { HTTP_FRONT_LIMITS } from '../../core/limits/http-front.ts';
import type { GatewayGreeter, GatewayHandler, GreetCode } from '../../gateway/ports.ts';

export type HttpFrontLimits = { readonly [Name in keyof typeof HTTP_FRONT_LIMITS]: number };

/** Whether clients show certificates: not asked for; verified when they show one; none is let in without. */
export type ClientCertificates = 'none' | 'optional' | 'required';

export interface HttpFrontTls {
  /** PEM: the certificate of the server, then those above it. */
  readonly certificatePath: string;
  /** PEM, not encrypted. */
  readonly privateKeyPath: string;
  readonly clientCertificates: ClientCertificates;
  /** PEM: authorities of client certificates. Must be there unless none are asked for. */
  readonly clientAuthoritiesPath?: string;
  /** PEM: one current list of each authority; a list that is over lets nobody in. */
  readonly revocationsPath?: string;
}

export interface HttpFrontOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** null: plaintext, HTTP/1.1 and HTTP/2 with prior knowledge; for a loopback address behind a proxy. */
  readonly tls: HttpFrontTls | null;
  readonly limits: HttpFrontLimits;
  readonly handler: GatewayHandler;
  /** Without it everybody's body is read to its end before the handler is asked. */
  readonly greet?: GatewayGreeter;
  /** Told of errors of the handler, of files that could not be taken, and of nothing that a client can cause. */
  readonly onTrouble: (error: unknown) => void;
}

/** Codes by which the front itself refuses; rows of core/errors/gateway.ts. */
export type FrontCode =
  | GreetCode
  | 'GATEWAY_FRAMING'
  | 'GATEWAY_METHOD_NOT_ALLOWED'
  | 'GATEWAY_HEADERS_TOO_LARGE'
  | 'GATEWAY_BODY_TOO_LARGE'
  | 'GATEWAY_CONTENT_TYPE'
  | 'GATEWAY_REQUEST_TIMEOUT'
  | 'GATEWAY_OVERLOADED'
  | 'GATEWAY_INTERNAL';

/** Counts since the start, but for those "now". */
export interface HttpFrontStats {
  readonly connectionsNow: number;
  readonly requestsNow: number;
  /** Bytes of bodies that are in memory now. */
  readonly bodiesBytesNow: number;
  readonly connections: number;
  /** Closed before their handshake: above the share of their peer. */
  readonly connectionsRefused: number;
  readonly handshakesFailed: number;
  readonly requests: number;
  /** Answers that were not taken whole: the client had gone, or was too slow. */
  readonly answersCut: number;
  /** Connections that were ended for floods of frames or resets. */
  readonly floods: number;
  readonly refusals: Readonly<Record<FrontCode, number>>;
  readonly tls: {
    readonly reloads: number;
    readonly reloadsRefused: number;
    /** End of the first certificate of the chain to end, milliseconds since 1970. */
    readonly notAfterMs: number;
  } | null;
}

export interface HttpFront {
  readonly port: number;
  readonly stats: HttpFrontStats;
  /**
   * Looks at the files now. True when others are in use than before; connections that are open keep theirs, but for those
   * with client certificates, which end after their answers when authorities or lists have changed.
   * @throws TlsError when they cannot be taken: those in use stay
   */
  reloadTls(): Promise<boolean>;
  /** Each answer from now on is the last one of its connection; new ones are taken. So balancers have none that is kept when they are closed. */
  beginDraining(): void;
  /** Takes no more connections; those that are open end after their answers, those without any at once. */
  stopAccepting(): void;
  /**
   * Takes no more connections, and gives those that are open a moment for what is on its way; then as `stopAccepting`, and waits for
   * answers that are under way. False when there were still some in the end.
   */
  drain(timeoutMs: number): Promise<boolean>;
  /** Ends everything now. */
  close(): Promise<void>;
}
