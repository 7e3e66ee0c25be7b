/** The joints of the gateway: what comes in, who asks, what is answered, and the parts that the outside fills. No sockets here. */
import type { DType } from '../model/dtype.ts';
import type { RuntimeTensor } from '../model/runtime.ts';
import type { OutputPolicy, Principal, PrincipalLimits } from './principal.ts';

export type { OutputPolicy, Principal, PrincipalLimits };
export type * from './identity/ports.ts';
export type * from './limits/ports.ts';
export type * from './metrics/ports.ts';

/** What the front knows of the other end of the connection. */
export interface Peer {
  /** IPv4 or IPv6 address as text, without brackets or zone; IPv4-mapped ones as IPv4. */
  readonly address: string;
  /** The client's certificate once it was verified against the trusted authorities; null without one. */
  readonly certificate: PeerCertificate | null;
}

export interface PeerCertificate {
  /** `DNS:…`, `URI:…`, `IP:…`, `email:…`, each as in the certificate. */
  readonly subjectAltNames: readonly string[];
  /** SHA-256 of the DER bytes, lower-case hex. */
  readonly sha256Hex: string;
  /** Its end, milliseconds since 1970: a connection may outlive it. */
  readonly endsMs: number;
}

/** One request, whole, within the caps of the front. */
export interface GatewayRequest {
  /** Upper case. */
  readonly method: string;
  /** Path as it was sent: not decoded, not normalised, without the query. */
  readonly path: string;
  /** Text after "?", without it; '' when there is none. */
  readonly query: string;
  /** Lower-case names; values of one name that came more than once are joined by ", ". */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** As it was sent, never decompressed. The receiver must not keep or change it. */
  readonly body: Uint8Array;
  readonly peer: Peer;
  readonly httpVersion: '1.1' | '2.0';
  /** The same for requests of one connection whose heads are the same bytes; not there where nobody has looked. */
  readonly knownHead?: object | null;
  /** Aborted when the client goes away, or the server's patience ends. */
  readonly signal: CancelSignal;
  /**
   * Told by whoever was given the body, once nobody else has a view of it or writes it any more: after the answer, which must be
   * none of its views, its memory is the front's again. Who does not know says nothing.
   */
  freeBody?(): void;
}

/** As much of an AbortSignal as is needed: making one of Node's for each request costs more than finding out who asks. */
export interface CancelSignal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: CancelListener): void;
  removeEventListener(type: 'abort', listener: CancelListener): void;
}

export type CancelListener = (() => void) | { handleEvent(): void };

/** Names in lower case; a name may come more than once. Values hold no CR, LF or NUL. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

export interface GatewayAnswer {
  readonly status: number;
  /** Without content-length, date and connection: those are the front's. */
  readonly headers: HeaderList;
  /** Bytes that are known now, or those to come; a front must stop reading when the client goes away. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  /** Asked for when the body has ended: of HTTP/2 (gRPC's status), or of a chunked answer. */
  readonly trailers?: () => HeaderList;
  /** Called once, when the last byte was handed to the system (true) or the client was gone before (false). */
  readonly onSent?: (isWhole: boolean) => void;
}

/** What somebody is told whose body is not read on. */
export type GreetCode = RefusalCode | 'GATEWAY_RATE_LIMITED';

/** Somebody who is known: whose bodies are counted together. */
export interface Greeted {
  readonly id: string;
}

/** Asked once by a front before much of a body is read: who sends it, or why it is not read on. `body` is not there yet. */
export type GatewayGreeter = (request: GatewayRequest) => GreetCode | Greeted | Promise<GreetCode | Greeted>;

/** Answers one request. Implementations must not throw for anything that a client can send. */
export type GatewayHandler = (request: GatewayRequest) => Promise<GatewayAnswer>;

/** What a caller wants, by the closed table of a protocol. */
export type CallKind =
  | 'infer'
  | 'server-live'
  | 'server-ready'
  | 'server-metadata'
  | 'model-list'
  | 'model-ready'
  | 'model-metadata';

export interface Call {
  readonly protocol: ProtocolName;
  readonly kind: CallKind;
  /** As the path or the body names it; null for calls that concern no single model. */
  readonly model: string | null;
  /** null: the one that the gateway holds for the newest. */
  readonly version: string | null;
  /** Which of a protocol's inference routes, such as `chat/completions`; '' where there is one alone. */
  readonly route: string;
}

export type ProtocolName = 'oip' | 'oip-grpc' | 'openai' | 'torchserve' | 'sagemaker' | 'vertex' | 'plain';

/** One input or output of a model. */
export interface TensorSignature {
  readonly name: string;
  readonly dtype: DType;
  /** null where any length is taken; the first axis is the batch when it is null. */
  readonly shape: readonly (number | null)[];
}

/** What a model takes and gives: all that callers may learn of it. */
export interface ModelSignature {
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
}

/** A tensor of a request or an answer: packed little-endian row-major bytes. */
export interface NamedTensor extends RuntimeTensor {
  readonly name: string;
}

/** Why nobody was recognised; what is told outside is the code alone. */
export type IdentifyResult =
  | { readonly isKnown: true; readonly principal: Principal }
  | { readonly isKnown: false; readonly code: RefusalCode };

/** Closed list of refusals before a model is asked; rows of core/errors/gateway.ts. */
export type RefusalCode =
  | 'GATEWAY_CREDENTIAL_MISSING'
  | 'GATEWAY_CREDENTIAL_INVALID'
  | 'GATEWAY_CREDENTIAL_EXPIRED'
  | 'GATEWAY_ADDRESS_REFUSED'
  | 'GATEWAY_IDENTITY_UNAVAILABLE';

/** Recognises callers. Must take the same time for unknown credentials of any form, and never throw for their content. */
export interface Identifier {
  /** A value where it is known at once, so that the usual request waits for nothing. */
  identify(request: GatewayRequest): IdentifyResult | Promise<IdentifyResult>;
}

/** What one request uses up. */
export interface Cost {
  readonly requests: 1;
  /** Rows of the batch axis; 1 where it is not known. */
  readonly items: number;
}

export interface LimitVerdict {
  readonly isAdmitted: boolean;
  /** Which limit refused: `rate`, `daily`, `lifetime`, `store`; null when admitted. */
  readonly refusedBy: 'rate' | 'daily' | 'lifetime' | 'store' | null;
  /** Until a request like this one could be admitted; 0 when admitted; null when never. */
  readonly retryAfterMs: number | null;
  /** For RateLimit headers: of the rate limit. */
  readonly remaining: number;
  readonly resetMs: number;
  /** Gives back what was taken, or of budgets alone: the gateway failed, not the caller. At most once; never throws. */
  refund(what: 'all' | 'budget'): void;
}

/** Counts requests. Must never admit more than the limits allow, whatever fails: fail closed, to a share at most. */
export interface Limiter {
  charge(principal: Principal, model: string, cost: Cost): LimitVerdict | Promise<LimitVerdict>;
}

/** Inference of models that the gateway holds itself. */
export interface InferencePool {
  /** undefined for a model or version that is not there. */
  find(model: string, version: string | null): ServedModel | undefined;
  list(): readonly ServedModel[];
}

export interface ServedModel {
  readonly name: string;
  readonly version: string;
  readonly signature: ModelSignature;
  readonly isReady: boolean;
  /**
   * Runs the model; requests that are waiting may share one run. Inputs have been checked against the signature.
   * @throws GatewayError GATEWAY_MODEL_UNAVAILABLE | GATEWAY_MODEL_FAILED | GATEWAY_OVERLOADED
   */
  run(inputs: readonly NamedTensor[], signal: CancelSignal): Promise<readonly NamedTensor[]>;
}

/** One line to an inference server. */
export interface Upstream {
  readonly name: string;
  /**
   * Sends one request, and gives its answer as it comes. An implementer must refuse redirects, cap the answer's headers and
   * bytes, give up when `signal` is aborted (and end the upstream request then), and must not retry what may have run.
   * @throws GatewayError GATEWAY_UPSTREAM_UNREACHABLE | GATEWAY_UPSTREAM_TIMEOUT | GATEWAY_UPSTREAM_MALFORMED |
   *   GATEWAY_ANSWER_TOO_LARGE | GATEWAY_OVERLOADED | GATEWAY_STREAM_CUT: the caller is gone
   */
  send(request: UpstreamRequest): Promise<UpstreamAnswer>;
  /** Requests that wait or are under way, streams until their end. */
  readonly inFlight: number;
  close(): Promise<void>;
}

export interface UpstreamRequest {
  readonly method: string;
  /** With the query, if any; from the protocol's table, never the caller's text. */
  readonly path: string;
  readonly headers: HeaderList;
  readonly body: Uint8Array;
  /** True: the body is handed on as it comes; false: it is collected. */
  readonly isStreamed: boolean;
  readonly signal: CancelSignal;
}

export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  readonly trailers?: () => HeaderList;
  /** True once the request was handed to the system whole: then the line has no view of its body. */
  readonly isRequestSent?: boolean;
}

/** One line of the input log; never an input. */
export interface LogRow {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** UUID version 7, also in the answer's `x-request-id`. */
  readonly requestId: string;
  readonly principalId: string;
  readonly tenant: string;
  readonly model: string;
  readonly version: string;
  readonly protocol: ProtocolName;
  readonly status: number;
  /** Of the error; null when there was none. */
  readonly code: string | null;
  /** Whether the hashes of what came in are HMACs with the gateway's key, and say nothing to others. */
  readonly isInputKeyed: boolean;
  /** SHA-256 of the body as it was sent, or its HMAC; 32 bytes. */
  readonly inputHash: Uint8Array;
  /** Of the tensors in it, the same for each encoding; null where they were not read. */
  readonly tensorHash: Uint8Array | null;
  /** SHA-256 of the answer's body as it was sent; null when it was cut off. */
  readonly answerHash: Uint8Array | null;
  readonly items: number;
  readonly inputBytes: number;
  readonly answerBytes: number;
  readonly durationUs: number;
}

/** Where a row has its place in the log of this process. */
export interface LogPlace {
  /** Name of the chain: one for each process that serves. */
  readonly stream: string;
  /** From 0 without gaps. */
  readonly index: number;
}

/** Takes rows without waiting for a disk or a database. Never drops one silently: when it can keep no more, it says so. */
export interface RequestLog {
  /**
   * Keeps the row so that the end of this process loses nothing; the database has it later.
   * @throws GatewayError GATEWAY_LOG_FULL | GATEWAY_LOG_FAILED: then the answer must not be given
   */
  append(row: LogRow): LogPlace;
}

/** The files of one stream's spool. Implementations give new files mode 0600, and never follow links. */
export interface SpoolFolder {
  /** @throws when the file is there already, or cannot be made */
  create(name: string): SpoolFile;
  /** In their order. */
  list(): readonly string[];
  /** Bytes from `offset` on, at most so many; fewer where the file ends. */
  read(name: string, offset: number, bytesMax: number): Uint8Array;
  remove(name: string): void;
}

export interface SpoolFile {
  /** Hands all bytes to the system before it returns. @throws when it could not; then what arrived is not known */
  append(bytes: Uint8Array): void;
  /** @throws when it could not */
  truncate(lengthBytes: number): void;
  close(): void;
}

/** Signs checkpoints of the log and answers. An implementation signs exactly the given bytes with Ed25519 (RFC 8032). */
export interface GatewaySigner {
  /** SHA-256 of the public key (SPKI), hex: how others name it. */
  readonly keyId: string;
  /** DER of the SPKI. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}
