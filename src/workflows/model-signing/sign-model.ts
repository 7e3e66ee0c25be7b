/** Signs the files of a model (OpenSSF Model Signing v1.0), with bill of materials and provenance when asked for. */
import { basename, relative, sep } from 'node:path';
import { toHex, utf8 } from '../../core/bytes.ts';
import { toCanonicalJson } from '../../core/canonical-json.ts';
import { ModelSigningError, SourceError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import {
  encodeProvenance,
  encodeSignatureStatement,
  hashFiles,
  isIgnorablePath,
  type Material,
  type ModelManifest,
  openModelFiles,
  parsePublicKey,
  type Serialization,
  signStatement,
  type StatementSigner,
  toBom,
  toSubject,
} from '../../model-signing/index.ts';
import { openFileSource } from '../../source/index.ts';
import { toSourceSha256 } from '../digests.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { assertNoInput, makeParent, writeBytes } from '../write-bytes.ts';
import { findFacts } from './facts.ts';
import { openSigner, type SignerOptions } from './signer.ts';

export interface SignModelOptions extends SignerOptions {
  /** Absolute path of a file or folder. */
  readonly path: string;
  /** Absolute paths of what to write; null for what is not asked for. */
  readonly signaturePath: string;
  readonly bomPath: string | null;
  readonly provenancePath: string | null;
  readonly force: boolean;
  readonly hashType: Serialization['hashType'];
  /** Null signs whole files. */
  readonly shardBytes: number | null;
  /** Relative to the model's folder. */
  readonly ignorePaths: readonly string[];
  readonly allowSymlinks: boolean;
  /** Absolute paths of files that the model was made from. */
  readonly materialPaths: readonly string[];
  /** Who the provenance says has built the model; null for the owner. */
  readonly builderId: string | null;
}

/** A file that was written. */
export interface WrittenFile {
  readonly path: string;
  readonly sha256: string;
}

export interface SignModelResult {
  readonly signature: WrittenFile;
  readonly bom: WrittenFile | null;
  readonly provenance: WrittenFile | null;
  /** What every statement about this model is about: SHA-256 over the digests of its files, hex. */
  readonly subject: { readonly name: string; readonly digest: string };
  readonly method: 'key' | 'certificate';
  /** Hint of the key: SHA-256 of its PEM text, hex. */
  readonly key: string;
  readonly curve: string;
  readonly isTimestamped: boolean;
  /** Files, or shards. */
  readonly resources: number;
  readonly ignored: readonly string[];
  /** Links that lead outside the folder; what is behind them was signed. */
  readonly outside: readonly string[];
  readonly leafIndex: number;
}

/**
 * Signs a model and records it.
 * @throws ModelSigningError for the model, the key and the certificates; SourceError for files; SignError for the
 *   timestamp; LedgerError
 */
export async function signModel(
  services: Services,
  session: Session,
  options: SignModelOptions,
): Promise<SignModelResult> {
  const by = openSigner(services, session, options);
  const outputs = [options.signaturePath, options.bomPath, options.provenancePath].filter((one) => one !== null);
  assertNoInput(outputs, [options.path, ...options.materialPaths]);
  if (options.force) for (const output of outputs) assertReplaceable(services, output);
  const { manifest, outside } = hashModel(services, options);
  const bytes = await signStatement(encodeSignatureStatement(manifest), by);
  const signature = write(services, options, options.signaturePath, bytes);
  const { bom, provenance } = await writeCompanions(services, options, { manifest, signature, by, session });
  const key = parsePublicKey(by.signer.publicKeyPem);
  const method = by.certificates.length === 0 ? 'key' : 'certificate';
  const leafIndex = await record(session, { manifest, files: { signature, bom, provenance }, method, key: key.hint });
  return {
    signature,
    bom,
    provenance,
    subject: toSubject(manifest),
    method,
    key: key.hint,
    curve: key.curve,
    isTimestamped: by.stamp !== null,
    resources: manifest.resources.length,
    ignored: manifest.serialization.ignorePaths,
    outside,
    leafIndex,
  };
}

function hashModel(services: Services, options: SignModelOptions) {
  const { path, hashType, shardBytes, allowSymlinks } = options;
  const isFolder = services.isFolder(path);
  const ignorePaths = isFolder ? toIgnorePaths(options) : [];
  const files = openModelFiles({ path, isFolder, ignorePaths, allowSymlinks });
  const serialization: Serialization = { hashType, shardBytes, allowSymlinks, ignorePaths };
  const resources = hashFiles(files, serialization, services.progress);
  const manifest: ModelManifest = { modelName: files.modelName, resources, serialization };
  return { manifest, outside: files.outside };
}

/** What the user named, and what this run writes into the model's folder. */
function toIgnorePaths(options: SignModelOptions): string[] {
  const { path, ignorePaths, signaturePath, bomPath, provenancePath } = options;
  const written = [signaturePath, bomPath, provenancePath]
    .filter((one) => one !== null)
    .map((one) => relative(path, one).split(sep).join('/'))
    .filter((name) => !name.startsWith('../') && name !== '..');
  const all = [...new Set([...ignorePaths, ...written])].sort();
  const wrong = all.find((name) => !isIgnorablePath(name));
  if (wrong !== undefined) throw new ModelSigningError('OMS_IGNORE_REFUSED', { fields: { path: wrong.slice(0, 200) } });
  return all;
}

/** With --force, a signature or a bill of materials is replaced, and nothing that may be part of a model. */
function assertReplaceable({ storage }: Services, path: string): void {
  if (!storage.exists(path)) return;
  const text = Buffer.from(storage.read(path)).toString('utf8');
  if (/"application\/vnd\.dev\.sigstore\.bundle|"bomFormat"/.test(text)) return;
  throw new SourceError('WRITE_OVER_INPUT', { fields: { file: basename(path) } });
}

/** @throws SourceError WRITE_EXISTS | WRITE_FAILED */
function write(services: Services, { force }: SignModelOptions, path: string, bytes: Uint8Array): WrittenFile {
  makeParent(services.storage, path);
  writeBytes(services.storage, { path, mode: 0o644, bytes, replace: force });
  return { path, sha256: toHex(sha256(bytes)) };
}

interface Signed {
  readonly manifest: ModelManifest;
  readonly signature: WrittenFile;
  readonly by: StatementSigner;
  readonly session: Session;
}

const toMaterial = ({ path, sha256: digest }: WrittenFile): Material => ({ name: basename(path), digest });

/** The bill of materials first: the signed provenance names its digest, and so vouches for it. */
async function writeCompanions(services: Services, options: SignModelOptions, signed: Signed) {
  const { bomPath, provenancePath, materialPaths, path } = options;
  if (bomPath === null && provenancePath === null) return { bom: null, provenance: null };
  const { manifest, signature, by, session } = signed;
  const at = new Date(services.clock.nowMs()).toISOString();
  const materials = materialPaths.map((one) => readMaterial(services, one));
  let bom: WrittenFile | null = null;
  if (bomPath !== null) {
    const tool = { name: 'modelward', version: services.toolVersion };
    const facts = services.isFolder(path) ? null : findFacts(path);
    const { random } = services;
    const json = toBom({ manifest, facts, materials, signature: toMaterial(signature), tool, at, random });
    bom = write(services, options, bomPath, utf8(`${toCanonicalJson(json)}\n`));
  }
  if (provenancePath === null) return { bom, provenance: null };
  const payload = encodeProvenance({
    manifest,
    materials,
    byproducts: [signature, ...(bom === null ? [] : [bom])].map(toMaterial),
    builderId: options.builderId ?? `urn:modelward:owner:${encodeURIComponent(session.owner.identity.ownerId)}`,
    toolVersion: services.toolVersion,
    at,
  });
  return { bom, provenance: write(services, options, provenancePath, await signStatement(payload, by)) };
}

function readMaterial({ progress }: Services, path: string): Material {
  const source = openFileSource(path);
  try {
    return { name: basename(path), digest: toSourceSha256(source, progress) };
  } finally {
    source.close();
  }
}

async function record(
  { recorder }: Session,
  done: {
    readonly manifest: ModelManifest;
    readonly files: Pick<SignModelResult, 'signature' | 'bom' | 'provenance'>;
    readonly method: 'key' | 'certificate';
    readonly key: string;
  },
): Promise<number> {
  const { manifest, files, method, key } = done;
  const subject = toSubject(manifest);
  const { signature, bom, provenance } = files;
  const receipt = await recorder.record([
    {
      type: 'model-signature',
      actor: recorder.actor,
      subject: subject.name.slice(0, 512),
      digests: {
        model: subject.digest,
        signature: signature.sha256,
        key,
        ...(bom === null ? {} : { bom: bom.sha256 }),
        ...(provenance === null ? {} : { provenance: provenance.sha256 }),
      },
      detail: { method, resources: manifest.resources.length },
    },
  ]);
  return receipt.firstIndex;
}
