/** Where a signed model comes from, as its signer says it: SLSA provenance v1 on the digest that the signature has. */
import { encodeStatement } from '../sign/index.ts';
import type { Material } from './bom.ts';
import type { ModelManifest } from './manifest.ts';
import { toSubject } from './statement.ts';

export const PROVENANCE_PREDICATE = 'https://slsa.dev/provenance/v1';

/** Says which parameters there are (SLSA: a URI that names how to read them); docs/spec/model-signature.md has them. */
const BUILD_TYPE = 'urn:modelward:build-type:sign:v1';

export interface ProvenanceOptions {
  readonly manifest: ModelManifest;
  readonly materials: readonly Material[];
  /** Files that were written with the signature: name and SHA-256, hex. */
  readonly byproducts: readonly Material[];
  /** Who vouches: a URI of the pipeline, or of the owner. */
  readonly builderId: string;
  readonly toolVersion: string;
  /** RFC 3339, UTC. */
  readonly at: string;
}

/**
 * UTF-8 JSON of the statement, to be signed.
 * @see https://slsa.dev/spec/v1.0/provenance
 */
export function encodeProvenance(options: ProvenanceOptions): Uint8Array {
  const { manifest, materials, byproducts, builderId, toolVersion, at } = options;
  const { hashType, shardBytes, ignorePaths } = manifest.serialization;
  const toDescriptor = ({ name, digest }: Material) => ({ name, digest: { sha256: digest } });
  return encodeStatement({
    subject: toSubject(manifest),
    predicateType: PROVENANCE_PREDICATE,
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: {
          model: manifest.modelName,
          method: shardBytes === null ? 'files' : 'shards',
          hashType,
          ignorePaths,
        },
        resolvedDependencies: materials.map(toDescriptor),
      },
      runDetails: {
        builder: { id: builderId, version: { modelward: toolVersion } },
        metadata: { finishedOn: at },
        byproducts: byproducts.map(toDescriptor),
      },
    },
  });
}
