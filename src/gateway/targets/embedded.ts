/** Calls for a model that the gateway holds itself. */
import { applyPolicy, checkOutputs, isRestricting, toVisible } from '../output/index.ts';
import type { GatewayAnswer, OutputPolicy, ServedModel } from '../ports.ts';
import type { DecodedRequest, EmbeddedCodec } from '../protocols/ports.ts';
import { hashTensors } from '../tensors/hash.ts';
import type { BodyReader } from './body-reader.ts';
import type { Asked, InBand, Prepared, Target } from './ports.ts';

export interface EmbeddedOptions {
  readonly model: string;
  /** Versions that are held now; the last one is answered by when none is asked for. */
  readonly list: () => readonly ServedModel[];
  readonly answerBytesMax: number;
  /** Key of the hashes of what came in; null for plain SHA-256. */
  readonly hashKey: Uint8Array | null;
  /** Reads large bodies elsewhere; without it they are read here. */
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

function toPrepared({ answerBytesMax, hashKey }: EmbeddedOptions, { asked, served, codec, decoded }: Read): Prepared {
  const { request, principal } = asked;
  const { inputs, items, hasNegativeZero } = decoded;
  // Before the run: it may take the memory of the inputs with it.
  const tensorHash = hashTensors(inputs, { key: hashKey, hasNegativeZero });
  return {
    ...{ version: served.version, items, tensorHash },
    run: async (inBand) => {
      const outputs = await served.run(inputs, request.signal);
      checkOutputs(outputs, served.signature, items, answerBytesMax);
      const seen = applyPolicy(outputs, principal.output, served.signature);
      return encode({ codec, decoded, served, policy: principal.output }, seen, inBand);
    },
  };
}

interface Encoding {
  readonly codec: EmbeddedCodec;
  readonly decoded: DecodedRequest;
  readonly served: ServedModel;
  readonly policy: OutputPolicy;
}

function encode(
  { codec, decoded: { form }, served, policy }: Encoding,
  outputs: Parameters<EmbeddedCodec['encode']>[2],
  inBand: InBand,
): GatewayAnswer {
  const wanted = form.outputs;
  const answered = wanted === null ? outputs : outputs.filter(({ name }) => wanted.some((one) => one.name === name));
  const parameters = form.layout === 'oip' || form.layout === 'grpc' ? inBand(hashTensors(answered)) : undefined;
  const decimals = isRestricting(policy) ? policy.decimals : null;
  return codec.encode(form, served, outputs, { decimals, ...(parameters !== undefined && { parameters }) });
}
