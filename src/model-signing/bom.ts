/** The bill of materials of a signed model: CycloneDX 1.6 with one machine-learning-model (ECMA-424). */
import { toHex } from '../core/bytes.ts';
import type { Json } from '../core/canonical-json.ts';
import type { Random } from '../core/ports.ts';
import { type ModelManifest, toPart } from './manifest.ts';
import { SINGLE_FILE } from './names.ts';
import { toSubject } from './statement.ts';

/** What a reader of the file format knows of a model. */
export interface ModelFacts {
  /** Such as "onnx". */
  readonly format: string;
  readonly tensors: number;
  /** Elements of all tensors. */
  readonly parameters: number;
  /** Inputs and outputs of the graph as text: "x: float32 [1, 3, 224, 224]". */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** A file that the model was made from: a data set, a base model, a training script. */
export interface Material {
  /** Base name. */
  readonly name: string;
  /** SHA-256, hex. */
  readonly digest: string;
}

export interface BomOptions {
  readonly manifest: ModelManifest;
  /** Null for what no reader knows, such as a folder. */
  readonly facts: ModelFacts | null;
  readonly materials: readonly Material[];
  /** Base name and SHA-256 (hex) of the signature file. */
  readonly signature: { readonly name: string; readonly digest: string };
  readonly tool: { readonly name: string; readonly version: string };
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly random: Random;
}

const ALGORITHMS = { sha256: 'SHA-256', blake2b: 'BLAKE2b-512' } as const;
/** Names of properties of ours (CycloneDX property taxonomy: a name space of its own). */
const OWN = 'modelward:';

/** The document as JSON; its digests are those that the signature covers. */
export function toBom(options: BomOptions): Json {
  const { manifest, tool, at, random, materials } = options;
  const subject = toSubject(manifest);
  const model = { ref: `model:${subject.digest}`, materials: materials.map((one) => `material:${one.digest}`) };
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${toUuid(random)}`,
    version: 1,
    metadata: {
      timestamp: at,
      tools: { components: [{ type: 'application', name: tool.name, version: tool.version }] },
      component: toModelComponent(options, model.ref),
    },
    components: materials.map((one) => ({
      type: 'data',
      'bom-ref': `material:${one.digest}`,
      name: one.name,
      hashes: [{ alg: 'SHA-256', content: one.digest }],
    })),
    dependencies: [{ ref: model.ref, dependsOn: model.materials }],
  };
}

function toModelComponent({ manifest, facts, signature }: BomOptions, ref: string): Json {
  const subject = toSubject(manifest);
  return {
    type: 'machine-learning-model',
    'bom-ref': ref,
    name: subject.name,
    ...(facts === null ? {} : { modelCard: { modelParameters: toParameters(facts) } }),
    externalReferences: [
      {
        type: 'digital-signature',
        url: encodeURI(signature.name),
        hashes: [{ alg: 'SHA-256', content: signature.digest }],
      },
    ],
    components: toFileComponents(manifest),
    properties: [
      { name: `${OWN}oms:subject-sha256`, value: subject.digest },
      ...(facts === null ? [] : toFactProperties(facts)),
    ],
  };
}

function toParameters({ inputs, outputs }: ModelFacts): Json {
  return { inputs: inputs.map((format) => ({ format })), outputs: outputs.map((format) => ({ format })) };
}

function toFactProperties({ format, tensors, parameters }: ModelFacts): { name: string; value: string }[] {
  return [
    { name: `${OWN}format`, value: format },
    { name: `${OWN}tensors`, value: String(tensors) },
    { name: `${OWN}parameters`, value: String(parameters) },
  ];
}

/** One component per file; a file in shards has a digest per shard, which CycloneDX has no member for. */
function toFileComponents({ modelName, resources, serialization }: ModelManifest): Json[] {
  const files = new Map<string, { hashes: Json[]; properties: Json[] }>();
  for (const { name, digest } of resources) {
    const { file, start, end } = toPart(name, serialization);
    const shown = file === SINGLE_FILE ? modelName : file;
    const entry = files.get(shown) ?? { hashes: [], properties: [] };
    if (end === null) entry.hashes.push({ alg: ALGORITHMS[serialization.hashType], content: digest });
    else entry.properties.push({ name: `${OWN}oms:${serialization.hashType}:${start}:${end}`, value: digest });
    files.set(shown, entry);
  }
  return [...files].map(([name, { hashes, properties }]) => ({
    type: 'file',
    name,
    ...(hashes.length === 0 ? { properties } : { hashes }),
  }));
}

/** RFC 9562 version 4. */
function toUuid(random: Random): string {
  const bytes = new Uint8Array(16);
  random.fill(bytes);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
