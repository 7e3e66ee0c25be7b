/** What answers calls for one model: a model that is held here, or a server behind. */
import type { Call, GatewayAnswer, GatewayRequest, ModelSignature, Principal } from '../ports.ts';
import type { InBand, Protocol } from '../protocols/ports.ts';
import type { Trace } from '../telemetry/index.ts';

export interface Target {
  /** As callers name it. */
  readonly model: string;
  readonly versions: () => readonly string[];
  /** Whether callers of that protocol are answered at all. */
  isAskedBy(protocol: Pick<Protocol, 'name' | 'embedded'>): boolean;
  /** null for a version that is not there. */
  isReady(version: string | null): boolean;
  /** What callers may learn of a version; null where nothing was declared, or it is not there. */
  findSignature(version: string | null): ModelSignature | null;
  /**
   * Reads a request as far as its cost and its hash are known. Nothing was asked of a model yet.
   * @returns null for a version, or a protocol, that this model is not asked by; a promise where another thread reads it
   * @throws GatewayError for what the caller sent
   */
  prepare(asked: Asked): Prepared | null | Promise<Prepared>;
}

export interface Asked {
  readonly protocol: Protocol;
  readonly call: Call;
  readonly request: GatewayRequest;
  readonly principal: Principal;
  readonly batchMax: number;
  /** Handed on to a server behind. */
  readonly trace?: Trace | null;
}

export interface Prepared {
  /** Which version answers. */
  readonly version: string;
  /** Rows of the batch axis. */
  readonly items: number;
  /** Of the tensors, 32 bytes; null where they are not read. */
  readonly tensorHash: Uint8Array | null;
  /** @param extras parameters that go into the answer where the protocol has a place for them, from the hash of its tensors */
  run(extras: InBand): Promise<GatewayAnswer>;
}

export type { InBand };
