/** Verifies a model against its signature: who signed first, then each file. */
import { basename, join, relative, sep } from 'node:path';
import { ModelSigningError, WorkflowError } from '../../core/errors.ts';
import {
  compareContent,
  type ContentReport,
  decodeSignatureStatement,
  DEFAULT_IGNORED,
  hashFiles,
  isIgnorablePath,
  type ModelManifest,
  openModelFiles,
  SINGLE_FILE,
  type SigstoreVerifier,
  toPart,
  toSubject,
  type Trust,
  type VerifiedStatement,
  verifyStatement,
} from '../../model-signing/index.ts';
import type { Services } from '../services.ts';

/** What the user believes; nothing is believed that they did not name. */
export type TrustOptions =
  | {
      readonly kind: 'key';
      /** Absolute path of the public key, or of what holds it; null for the owner of the home. */
      readonly keyPath: string | null;
    }
  | {
      readonly kind: 'certificate';
      readonly certificatePaths: readonly string[];
      /** When the model was signed; null for now. */
      readonly atMs: number | null;
      /** Roots of timestamp authorities; then a timestamp in the signature says when. */
      readonly timestampRootPaths: readonly string[];
    }
  | {
      readonly kind: 'sigstore';
      readonly rootPath: string;
      readonly identity: string;
      readonly issuer: string;
    };

export interface VerifySignatureOptions {
  /** Absolute path of a file or folder. */
  readonly path: string;
  readonly signaturePath: string;
  readonly trust: TrustOptions;
  /** Relative to the model's folder, besides what the signature names. */
  readonly ignorePaths: readonly string[];
  /** Files that were not signed are no change. */
  readonly ignoresUnsigned: boolean;
}

/** What only some verifications need, made when it is needed. */
export interface VerifySignaturePorts {
  /** Public key of the owner of the home, PEM. */
  readonly ownerKey: () => string;
  readonly openSigstore: (trustedRoot: Uint8Array) => Promise<SigstoreVerifier>;
}

export interface VerifySignatureReport extends ContentReport, Omit<VerifiedStatement, 'payload'> {
  readonly signature: string;
  readonly subject: { readonly name: string; readonly digest: string };
  /** What is there and was passed over: paths relative to the model. */
  readonly ignored: readonly string[];
}

/**
 * Verifies signature and content.
 * @throws ModelSigningError when the signature does not hold, or the model is none that could be compared;
 *   WorkflowError SIGNATURE_NOT_FOUND; SourceError
 */
export async function verifyModelSignature(
  services: Services,
  ports: VerifySignaturePorts,
  options: VerifySignatureOptions,
): Promise<VerifySignatureReport> {
  const { storage } = services;
  const { signaturePath } = options;
  if (!storage.exists(signaturePath))
    throw new WorkflowError('SIGNATURE_NOT_FOUND', { fields: { looked: signaturePath } });
  const trust = await toTrust(services, ports, options.trust);
  const { payload, ...verified } = verifyStatement(storage.read(signaturePath), trust);
  const manifest = decodeSignatureStatement(payload);
  const { report, ignored } = compareModel(services, options, manifest);
  return { ...report, ...verified, signature: signaturePath, subject: toSubject(manifest), ignored };
}

async function toTrust({ storage, clock }: Services, ports: VerifySignaturePorts, trust: TrustOptions): Promise<Trust> {
  const readText = (path: string): string => Buffer.from(storage.read(path)).toString('utf8');
  if (trust.kind === 'sigstore') {
    const { identity, issuer, rootPath } = trust;
    return { kind: 'sigstore', verifier: await ports.openSigstore(storage.read(rootPath)), identity, issuer };
  }
  if (trust.kind === 'certificate') {
    const { certificatePaths, atMs, timestampRootPaths } = trust;
    return {
      kind: 'certificate',
      certificates: certificatePaths.map(readText),
      atMs: atMs ?? clock.nowMs(),
      timestampRoots: timestampRootPaths.length === 0 ? null : timestampRootPaths.map(readText),
    };
  }
  // In what owners hand out as JSON, the line ends of a PEM are spelled out.
  const publicKeyPem = trust.keyPath === null ? ports.ownerKey() : readText(trust.keyPath).replaceAll('\\n', '\n');
  return { kind: 'key', publicKeyPem };
}

function compareModel(services: Services, options: VerifySignatureOptions, manifest: ModelManifest) {
  const { path, ignoresUnsigned } = options;
  const { serialization, resources } = manifest;
  const isFolder = services.isFolder(path);
  const ignorePaths = isFolder ? toIgnorePaths(options, manifest) : [];
  const signed = new Set(resources.map((one) => toPart(one.name, serialization).file));
  const files = openModelFiles({
    path,
    isFolder,
    ignorePaths,
    allowSymlinks: serialization.allowSymlinks,
    singleName: signed.has(basename(path)) ? basename(path) : SINGLE_FILE,
    ...(ignoresUnsigned ? { only: signed } : {}),
  });
  const report = compareContent(manifest, hashFiles(files, serialization, services.progress));
  const passedOver = isFolder ? [...DEFAULT_IGNORED, ...ignorePaths] : [];
  return { report, ignored: passedOver.filter((name) => services.storage.exists(join(path, name))).sort() };
}

/** What the signer left out, what the user leaves out, and the signature itself. */
function toIgnorePaths(options: VerifySignatureOptions, { serialization }: ModelManifest): string[] {
  const { path, signaturePath, ignorePaths } = options;
  const wrong = ignorePaths.find((name) => !isIgnorablePath(name));
  if (wrong !== undefined) throw new ModelSigningError('OMS_IGNORE_REFUSED', { fields: { path: wrong.slice(0, 200) } });
  const own = relative(path, signaturePath).split(sep).join('/');
  const isInside = own !== '..' && !own.startsWith('../');
  return [...new Set([...serialization.ignorePaths, ...ignorePaths, ...(isInside ? [own] : [])])];
}
