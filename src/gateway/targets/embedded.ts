/** Calls for a model that the gateway holds itself. */
import { checkOutputs, toVisible } from '../output/index.ts';
import type { ServedModel } from '../ports.ts';
import type { DecodedRequest, EmbeddedCodec } from '../protocols/ports.ts';
import { hashTensors } from '../tensors/hash.ts';
import type { BodyReader } from './body-reader.ts';
import { toEmbeddedAnswer } from './embedded-answer.ts';
import type { Asked, Prepared, Target } from './ports.ts';

export interface EmbeddedOptions {
  readonly model: string;
  /** Versions that are held now; the last one is answered by when none is asked for. */
  readonly list: () => readonly ServedModel[];
  readonly answerBytesMax: number;
  /** Key of the hashes of what came in; null for plain SHA-256. */
  readonly hashKey: Uint8Array | null;
  /** Reads large bodies and writes large answers elsewhere; without it both are done here. */
  readonly reader?: BodyReader;
}

export function createEmbeddedTarget(options: EmbeddedOptions): Target {
  const { model, list } = options;
  const find = (version: string | null): ServedModel | undefined =>
    version === null ? list().at(-1) : list().find((served) => served.version === version);
  return {
    model,
    versions: () => list().map(({ version }) => version),
    isAskedBy: ({ embedded }) => embedded !== null,
    isReady: (version) => find(version)?.isReady === true,
    findSignature: (version) => find(version)?.signature ?? null,
    prepare: (asked) => {
      const served = find(asked.call.version);
      const codec = asked.protocol.embedded;
      return served === undefined || codec === null ? null : prepare(options, asked, served, codec);
    },
  };
}

function prepare(
  options: EmbeddedOptions,
  asked: Asked,
  served: ServedModel,
  codec: EmbeddedCodec,
): Prepared | Promise<Prepared> {
  const { request, principal, batchMax, protocol } = asked;
  const signature = toVisible(served.signature, principal.output);
  const caps = { batchMax, answerBytesMax: options.answerBytesMax };
  const { reader } = options;
  if (reader === undefined || !codec.isSlow(request)) {
    return toPrepared(options, { asked, served, codec, decoded: codec.decode(request, signature, caps) });
  }
  const task = { protocol: protocol.name, parameters: [], request, signature, caps };
  return reader.decode(task).then((decoded) => toPrepared(options, { asked, served, codec, decoded }));
}

interface Read {
  readonly asked: Asked;
  readonly served: ServedModel;
  readonly codec: EmbeddedCodec;
  readonly decoded: DecodedRequest;
}

function toPrepared(options: EmbeddedOptions, { asked, served, codec, decoded }: Read): Prepared {
  const { answerBytesMax, hashKey, reader } = options;
  const { request, principal, protocol } = asked;
  const { inputs, items, hasNegativeZero, form } = decoded;
  // Before the run: it may take the memory of the inputs with it.
  const tensorHash = hashTensors(inputs, { key: hashKey, hasNegativeZero });
  return {
    version: served.version,
    items,
    tensorHash,
    run: async (inBand) => {
      const outputs = await served.run(inputs, request.signal);
      checkOutputs(outputs, served.signature, items, answerBytesMax);
      const policy = principal.output;
      const answering = { protocol: protocol.name, codec, form, served, policy, inBand, reader };
      const making = toEmbeddedAnswer(answering, outputs);
      const answer = making instanceof Promise ? await making : making;
      // Threads and processes that ran the model had copies of it.
      request.freeBody?.();
      return answer;
    },
  };
}
