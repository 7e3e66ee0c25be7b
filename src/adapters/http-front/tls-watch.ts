/** Certificates change while the server runs: new files are tried first, and the good ones stay when the new are not. */
import type { Server } from 'node:tls';
import type { FrontCore } from './core.ts';
import { refuseLateHandshakes } from './tls-handshakes.ts';
import { readTlsFiles, type TlsMaterial, toTlsMaterial } from './tls-files.ts';
import type { HttpFrontTls } from './types.ts';

export interface TlsWatch {
  /** In use now. */
  readonly material: TlsMaterial;
  /** @throws TlsError when what is there now cannot be taken */
  reload(): Promise<boolean>;
  stop(): void;
}

/**
 * Looks at the files by their content, so that it does not matter how they are exchanged: Kubernetes swaps a link to their
 * folder, others rename over them. A pair that was read half old, half new does not fit, and is read again the next time.
 */
export function watchTls(
  core: FrontCore,
  { server, tls, begin }: { readonly server: Server; readonly tls: HttpFrontTls; readonly begin: TlsMaterial },
): TlsWatch {
  let material = begin;
  let refusedDigest = '';
  let under: Promise<boolean> | null = null;
  const look = async (): Promise<boolean> => {
    const files = await readTlsFiles(tls);
    if (files.digest === material.files.digest) return false;
    refusedDigest = files.digest;
    const next = toTlsMaterial(files, Date.now());
    server.setSecureContext(next.options);
    const isForOthers = files.clientsDigest !== material.files.clientsDigest;
    material = next;
    core.counts.reloads++;
    // Whoever is inside was verified by rules that no longer hold.
    if (isForOthers) core.retireAll(({ peer }) => peer.certificate !== null);
    return true;
  };
  const reload = (): Promise<boolean> =>
    (under ??= look().finally(() => {
      under = null;
    }));
  const timer = setInterval(() => {
    const before = refusedDigest;
    reload().catch((error: unknown) => {
      core.counts.reloadsRefused++;
      // Once for each new content, not at each round.
      if (refusedDigest !== before || before === '') core.onTrouble(error);
    });
  }, core.limits.tlsPollMs).unref();
  if (tls.clientCertificates !== 'none') refuseLateHandshakes(core, server, () => material.files.clientsDigest);
  return {
    get material() {
      return material;
    },
    reload,
    stop: () => {
      clearInterval(timer);
    },
  };
}
