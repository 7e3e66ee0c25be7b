/** What the workflows need from outside; the composition root fills it, and nothing here names an adapter. */
import type { Clock, Progress, Random } from '../core/ports.ts';
import type { LedgerLock, LedgerWriter } from '../ledger/ports.ts';
import type { GraphOptimizer, Profiler, Runtime } from '../model/runtime.ts';
import type { ModelSigner } from '../model-signing/ports.ts';
import type { KeyProvider, SealedRunner } from '../seal/ports.ts';
import type { TimestampAuthority } from '../sign/ports.ts';
import type { ObjectStore, Storage } from '../source/ports.ts';
import type { Endpoint, OpenEndpointOptions, SvgRenderer } from '../watermark/ports.ts';
import type { Home } from './home.ts';

/** A key provider that records every use, and what is known of it. */
export interface OpenedKeys {
  readonly provider: KeyProvider;
  /** Scheme of the URI; the rest may carry a secret and stays inside. */
  readonly scheme: string;
  readonly keyRef: string;
  /** What is to be said of this provider, such as "same machine: for trial"; null when nothing is. */
  readonly note: string | null;
}

export interface OpenKeysOptions {
  /** A key URI; null means the home's own key. */
  readonly uri: string | null;
  /** Makes the key when it is missing (local keys only). */
  readonly create: boolean;
  /** Absolute paths, or addresses, of sealed files that the key must not lie beside; null when it is given none to open. */
  readonly apartFrom: string | readonly string[] | null;
  readonly ledger: LedgerWriter;
  readonly actor: string;
}

export interface Services {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly progress: Progress;
  readonly home: Home;
  readonly toolVersion: string;
  /** True when the path names a folder; false when it names something else or nothing. */
  isFolder(path: string): boolean;
  readonly ledgerLock: LedgerLock;
  /** Objects of `s3://…` and `gs://…`; nothing is asked of a store yet. */
  openObjects(): Promise<ObjectStore>;
  /** @throws RuntimeError RUNTIME_UNAVAILABLE */
  openRuntime(): Promise<Runtime>;
  /** @throws WatermarkError SVG_RENDERER_MISSING */
  openSvgRenderer(): Promise<SvgRenderer>;
  /** @throws RuntimeError RUNTIME_PROFILE_UNAVAILABLE without the native runtime */
  openProfiler(): Promise<Profiler>;
  /** @throws RuntimeError RUNTIME_OPTIMIZER_UNAVAILABLE without the native runtime */
  openOptimizer(): Promise<GraphOptimizer>;
  /** @throws SealError KEY_NOT_APART before a key is made; others for the URI or the key store */
  openKeys(options: OpenKeysOptions): Promise<OpenedKeys>;
  /**
   * A key of a token that signs models; `close` ends its session.
   * @param uri `pkcs11:`; its `type` may be `private`
   * @throws SealError for the URI, the token or the key
   */
  openSigner(uri: string): Promise<{ readonly signer: ModelSigner; close(): void }>;
  openTsa(url: string): TimestampAuthority;
  /** @throws RemoteError REMOTE_URL_REFUSED | REMOTE_INSECURE */
  openEndpoint(options: OpenEndpointOptions): Promise<Endpoint>;
  /** Runs sealed models in processes of their own. */
  openSealedRunner(): SealedRunner;
  /**
   * Runs `cleanup` when the user interrupts; the returned function takes it off again. Unfinished outputs are removed
   * this way at once; after a kill, the next run removes them.
   */
  onInterrupt(cleanup: () => void): () => void;
  /** Called before a data key, or the key of a device or vendor, is read: tells once what could carry it to a disk. */
  onSecrets(): void;
  /** Memory high-water mark of the process, MiB; null where the system does not tell. */
  peakRssMib(): number | null;
}
