/** A gateway inside attested hardware vouches for itself: its certificates are made inside, and evidence binds them to the hardware. */
import { join } from 'node:path';
import type { ReportSource } from '../../attest/ports.ts';
import { sha256 } from '../../core/hash.ts';
import type { TlsAuthority } from '../../core/tls-authority.ts';
import { collectEvidence } from '../attest/index.ts';
import type { Services } from '../services.ts';
import { writeBytes } from '../write-bytes.ts';
import { initTls } from './tls-init.ts';

export interface AttestedOptions {
  readonly authority: TlsAuthority;
  readonly source: ReportSource;
  /** DNS names and addresses of the gateway. */
  readonly names: readonly string[];
  /** Absolute path of a folder in memory of this machine: the private key stays in it. */
  readonly keyFolder: string;
  /** Absolute path of the folder for what callers get: `ca.pem` and `evidence.json`. */
  readonly out: string;
}

/**
 * The authority's key is thrown away once it vouched for the server, so who trusts `ca.pem` trusts this process of this start
 * alone. The report data of the evidence is the SHA-256 of the bytes of `ca.pem`.
 * @throws TlsError TLS_NAME_INVALID; AttestError ATTEST_TSM_* | ATTEST_ENCLAVE_REFUSED | ATTEST_EVIDENCE_UNKNOWN; SourceError
 */
export async function makeAttestedCertificates(services: Services, options: AttestedOptions): Promise<void> {
  const { authority, source, names, keyFolder, out } = options;
  const asked = { out: keyFolder, names, clients: [], trustDomain: null, passphrase: null, force: true };
  const made = await initTls(services, authority, asked);
  const caPem = services.storage.read(made.authority.certificate);
  const reportData = sha256(caPem);
  collectEvidence(services, source, { reportData, outPath: join(out, 'evidence.json'), force: true });
  writeBytes(services.storage, { path: join(out, 'ca.pem'), mode: 0o644, bytes: caPem, replace: true });
}
