/** What a protocol of callers is: which paths it has, how requests are read, answers and errors written, and what goes on to a server behind. */
import type { ErrorCode, ErrorFields } from '../../core/errors.ts';
import type {
  Call,
  CallKind,
  GatewayAnswer,
  GatewayRequest,
  HeaderList,
  ModelSignature,
  NamedTensor,
  OutputPolicy,
  ProtocolName,
  UpstreamAnswer,
  UpstreamRequest,
} from '../ports.ts';

/** One row of a protocol's closed table. `{model}` and `{version}` stand for one segment each. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly kind: CallKind;
  /** {@link Call.route}. */
  readonly route: string;
}

/** What a request and its answer may weigh. */
export interface Caps {
  /** Rows of one request. */
  readonly batchMax: number;
  readonly answerBytesMax: number;
}

/** What a request to a server behind may weigh, and whether its tensors are read for the hash of the log. */
export interface PlanCaps extends Pick<Caps, 'batchMax'> {
  readonly isHashed?: boolean;
}

/** What of a request is read; plain values alone, so that another thread can be asked. */
export type RequestBytes = Pick<GatewayRequest, 'headers' | 'body'>;

/** A request of which the tensors were read and hold against the model's signature. Plain values: it can cross threads. */
export interface DecodedRequest {
  /** One for each input of the signature, in its order; `data` may be a view of the body. */
  readonly inputs: readonly NamedTensor[];
  /** Rows of the batch axis; 1 where there is none. */
  readonly items: number;
  /** False: no input holds a negative zero, so that the tensor hash needs no look at each value. */
  readonly hasNegativeZero: boolean;
  readonly form: AnswerForm;
}

/** How the caller wants the answer. */
export interface AnswerForm {
  /** Body: tensors by name as the Open Inference Protocol has them, plain nested arrays, rows of text, or bytes alone. */
  readonly layout: 'oip' | 'grpc' | 'outputs' | 'predictions' | 'bare' | 'csv' | 'bytes';
  /** Echoed where the protocol does so. */
  readonly id: string | null;
  /** null: all of them. */
  readonly outputs: readonly WantedOutput[] | null;
  /** For outputs that say nothing of their own. */
  readonly isBinary: boolean;
}

export interface WantedOutput {
  readonly name: string;
  readonly isBinary: boolean;
}

/** The model that answers, as callers know it. */
export interface AnsweringModel {
  readonly name: string;
  /** '' where none was asked for, and only a server behind knows it. */
  readonly version: string;
}

/** What stands in an answer beside its tensors. */
export interface AnswerExtras {
  /** Written into `parameters` where the protocol has such a map (oip, oip-grpc), such as the integrity tag. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Numbers of JSON are written with at most so many decimal places; the tensors were rounded before. */
  readonly decimals?: number | null;
}

/** What is told without asking a model. */
export type Info =
  | { readonly kind: 'server-live' }
  | { readonly kind: 'server-ready'; readonly isReady: boolean }
  | { readonly kind: 'server-metadata'; readonly name: string; readonly version: string }
  | { readonly kind: 'model-ready'; readonly name: string; readonly isReady: boolean }
  | {
      readonly kind: 'model-metadata';
      readonly name: string;
      readonly versions: readonly string[];
      /** Of what this caller may see. */
      readonly signature: ModelSignature;
    }
  | { readonly kind: 'model-list'; readonly models: readonly string[] };

/** Where a request goes, from the configuration. */
export interface UpstreamModel {
  /** What the server behind calls the model. */
  readonly name: string;
  /** null: the server chooses. */
  readonly version: string | null;
  /** As declared; null where nothing was, and then requests are held against the form of the protocol alone. */
  readonly signature: ModelSignature | null;
}

/** A request as it goes on. */
export interface UpstreamPlan {
  readonly request: Omit<UpstreamRequest, 'signal'>;
  /** Rows of the batch axis, or completions that are asked for; 1 where the body does not say. */
  readonly items: number;
  /** As they were read for the hash of the log; not there where nobody asked for it, or they are no numbers. */
  readonly tensors?: readonly NamedTensor[];
}

/** What an upstream answer is held against. */
export interface AnswerRules {
  readonly call: Call;
  /** As the caller knows the model; in place of the name of the server behind. */
  readonly model: AnsweringModel;
  /** As declared in the configuration; null where nothing was. */
  readonly signature: ModelSignature | null;
  readonly policy: OutputPolicy;
  readonly items: number;
  readonly answerBytesMax: number;
  /** Makes what stands within an answer, where the protocol has a place for it; without it nothing does. */
  readonly inBand?: InBand;
}

/** Parameters of an answer, from the hash of its tensors (docs/spec/tensor-hash.md); undefined where there is nothing to say. */
export type InBand = (outputHash: Uint8Array) => Readonly<Record<string, string>> | undefined;

export interface Protocol {
  readonly name: ProtocolName;
  readonly routes: readonly Route[];
  /**
   * As `findCall` by method and path alone, the model left out: there where the body names it, so that no body is read before it
   * is known whose it is.
   */
  readonly findRoute?: (request: Pick<GatewayRequest, 'method' | 'path'>) => Call | 'method' | null;
  /**
   * Which call this is: 'method' for a path that is asked by another method, null for everything that is not in the table.
   * Reads the body only where the model is named in it (openai, oip-grpc).
   * @throws GatewayError GATEWAY_INPUT_MALFORMED | GATEWAY_CONTENT_TYPE for such a body that cannot be read
   */
  readonly findCall: (request: Pick<GatewayRequest, 'method' | 'path' | 'headers' | 'body'>) => Call | 'method' | null;
  /** Inference by a model that the gateway holds; null for protocols that are handed on only. */
  readonly embedded: EmbeddedCodec | null;
  readonly proxy: ProxyCodec;
  encodeInfo(info: Info): GatewayAnswer;
  /** The error in the protocol's own form. Of `fields` only those that concern the caller's request are told. */
  encodeError(code: ErrorCode, fields?: ErrorFields): GatewayAnswer;
}

export interface EmbeddedCodec {
  /** True when reading it takes so long that it is another thread's work: large JSON. */
  isSlow(request: RequestBytes): boolean;
  /**
   * Reads and checks; nothing of the body is copied when it is binary.
   * @param signature with the outputs that this caller may see
   * @throws GatewayError GATEWAY_INPUT_MALFORMED | GATEWAY_INPUT_NAME | GATEWAY_INPUT_DTYPE | GATEWAY_INPUT_SHAPE |
   *   GATEWAY_INPUT_VALUE | GATEWAY_BATCH_TOO_LARGE | GATEWAY_CONTENT_TYPE
   */
  decode(request: RequestBytes, signature: ModelSignature, caps: Caps): DecodedRequest;
  /** @throws GatewayError GATEWAY_ANSWER_VALUE | GATEWAY_ANSWER_SHAPE: not in the form that was asked for */
  encode(
    form: AnswerForm,
    model: AnsweringModel,
    outputs: readonly NamedTensor[],
    extras?: AnswerExtras,
  ): GatewayAnswer;
}

export interface ProxyCodec {
  /** {@link EmbeddedCodec.isSlow} of a request that goes on. */
  isSlow(request: RequestBytes): boolean;
  /**
   * The request of an inference or readiness call as it goes on: path from the table, headers from a closed list.
   * @throws GatewayError GATEWAY_INPUT_MALFORMED | GATEWAY_CONTENT_TYPE | GATEWAY_BATCH_TOO_LARGE |
   *   GATEWAY_OUTPUT_NOT_ALLOWED: it asks for what this caller may not see
   */
  toUpstream(
    call: Call,
    request: RequestBytes,
    model: UpstreamModel,
    policy: OutputPolicy,
    caps: PlanCaps,
  ): UpstreamPlan;
  /**
   * Headers of a good answer that go back, from a closed list.
   * @throws GatewayError GATEWAY_UPSTREAM_REFUSED for an error, which is never handed on | GATEWAY_UPSTREAM_MALFORMED
   */
  toAnswerHeaders(plan: UpstreamPlan, answer: Pick<UpstreamAnswer, 'status' | 'headers'>): HeaderList;
  /**
   * A collected answer, held against the signature and the policy; written anew only where one of them demands it.
   * @throws GatewayError GATEWAY_UPSTREAM_REFUSED | GATEWAY_UPSTREAM_MALFORMED | GATEWAY_ANSWER_SHAPE | GATEWAY_ANSWER_TOO_LARGE
   */
  toAnswer(
    plan: UpstreamPlan,
    answer: UpstreamAnswer & { readonly body: Uint8Array },
    rules: AnswerRules,
  ): GatewayAnswer;
  /** The events of a streamed answer, each with the model's own name; null for protocols without streams. */
  readonly toEvents: ((body: AsyncIterable<Uint8Array>, rules: AnswerRules) => AsyncIterable<Uint8Array>) | null;
  /** Whether the answer to the question for readiness says so. Never throws for what it holds. */
  readReady(answer: UpstreamAnswer & { readonly body: Uint8Array }): boolean;
  /**
   * What a server tells of a model; null for protocols in which servers tell nothing.
   * @throws GatewayError GATEWAY_UPSTREAM_REFUSED | GATEWAY_UPSTREAM_MALFORMED
   */
  readonly readSignature: ((answer: UpstreamAnswer & { readonly body: Uint8Array }) => ModelSignature) | null;
}
