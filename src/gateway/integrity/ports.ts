/** What the steps of a request need of integrity: marks that bind an answer to its request, for whoever asked. */
import type { HeaderList, LogPlace, Principal } from '../ports.ts';

/** The request that an answer belongs to. */
export interface SealedRequest {
  readonly principal: Principal;
  readonly method: string;
  /** Path as it was sent, without the query. */
  readonly path: string;
  readonly requestId: string;
  /** SHA-256 of the body as it was sent; never keyed, since the caller has the body. */
  readonly inputSha256: Uint8Array;
  /** When it came, milliseconds since 1970. */
  readonly timeMs: number;
}

export interface SealedAnswer {
  readonly status: number;
  /** SHA-256 of the body as it is sent. */
  readonly bodySha256: Uint8Array;
  /** Row of the log, for proofs. */
  readonly place: LogPlace;
}

/** Marks answers. What it gives is a tag for the holder of the same key, or a signature that anybody can check. */
export interface AnswerSealer {
  /** Digest of the answer, digest of the request, place in the log, and the tag or signature over them (RFC 9530, RFC 9421). */
  toHeaders(request: SealedRequest, answer: SealedAnswer): HeaderList;
  /** For protocols with a place for parameters: from the hash of the answer's tensors. undefined where there is nothing to say. */
  toParameters(request: SealedRequest, outputHash: Uint8Array): Readonly<Record<string, string>> | undefined;
  /** The last event of a stream, with what {@link toHeaders} would have said; null where the stream is cut off without. */
  toLastEvent(request: SealedRequest, answer: SealedAnswer): Uint8Array | null;
}
