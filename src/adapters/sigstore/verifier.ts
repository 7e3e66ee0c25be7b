/**
 * Keyless bundles verified by the packages of the Sigstore project, which are optional and loaded when they are
 * needed; the trusted root is a file, and nothing is asked over a network.
 */
import { ModelSigningError } from '../../core/errors.ts';
import { MODEL_SIGNING_LIMITS } from '../../core/limits/model-signing.ts';
import type { SigstoreVerifier } from '../../model-signing/ports.ts';

/** @throws ModelSigningError OMS_SIGSTORE_MISSING */
async function loadPackages() {
  try {
    const [bundle, specs, verify] = await Promise.all([
      import('@sigstore/bundle'),
      import('@sigstore/protobuf-specs'),
      import('@sigstore/verify'),
    ]);
    return { bundle, specs, verify };
  } catch (cause) {
    throw new ModelSigningError('OMS_SIGSTORE_MISSING', { cause });
  }
}

type Packages = Awaited<ReturnType<typeof loadPackages>>;

/**
 * A verifier over one trusted root: log entry, certificate transparency and time are each demanded once.
 * @param trustedRoot trusted_root.json of the instance
 * @throws ModelSigningError OMS_SIGSTORE_MISSING | OMS_TRUST_ROOT_MALFORMED
 */
export async function openSigstoreVerifier(trustedRoot: Uint8Array): Promise<SigstoreVerifier> {
  const packages = await loadPackages();
  const material = toTrustMaterial(packages, trustedRoot);
  const thresholds = { tlogThreshold: 1, ctlogThreshold: 1, timestampThreshold: 1 };
  const verifier = new packages.verify.Verifier(material, thresholds);
  return {
    verify: (bytes) => {
      try {
        const bundle = packages.bundle.bundleFromJSON(parseJson(bytes));
        const { identity } = verifier.verify(packages.verify.toSignedEntity(bundle));
        return { identity: identity?.subjectAlternativeName ?? '', issuer: identity?.extensions?.issuer ?? '' };
      } catch (cause) {
        throw new ModelSigningError('OMS_SIGSTORE_REFUSED', { fields: { reason: toReason(cause) }, cause });
      }
    },
  };
}

function toTrustMaterial({ specs, verify }: Packages, trustedRoot: Uint8Array) {
  const { trustRootBytesMax } = MODEL_SIGNING_LIMITS;
  if (trustedRoot.length > trustRootBytesMax) {
    const fields = { sizeBytes: trustedRoot.length, bytesMax: trustRootBytesMax };
    throw new ModelSigningError('OMS_TRUST_ROOT_MALFORMED', { fields });
  }
  try {
    const root = specs.TrustedRoot.fromJSON(parseJson(trustedRoot));
    if (root.certificateAuthorities.length === 0) throw new ModelSigningError('OMS_TRUST_ROOT_MALFORMED');
    return verify.toTrustMaterial(root);
  } catch (cause) {
    throw new ModelSigningError('OMS_TRUST_ROOT_MALFORMED', { cause });
  }
}

function parseJson(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
}

/** The code of the package's error; its message may quote the bundle. */
function toReason(cause: unknown): string {
  const code = (cause as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[A-Z_]{1,64}$/.test(code) ? code : 'MALFORMED';
}
