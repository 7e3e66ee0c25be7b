/** Where a guest gets evidence about itself. */

export interface ReportRequest {
  /** 1 to 64 bytes, as they shall stand in the evidence; hardware fills up with zeros. */
  readonly reportData: Uint8Array;
  /** Privilege level of SEV-SNP to ask for; the guest's own when it is left out. */
  readonly privilegeLevel?: number;
}

export interface CollectedReport {
  /** Which technology the kernel says it is of, such as "sev_guest" or "tdx_guest". */
  readonly provider: string;
  /** Report or quote. */
  readonly outblob: Uint8Array;
  /** What the host handed out beside it, such as a certificate table; empty when nothing. */
  readonly auxblob: Uint8Array;
}

export interface ReportSource {
  /**
   * Asks the hardware for evidence. Implementations must make sure that what they return answers this request and no
   * other one.
   * @throws AttestError ATTEST_TSM_UNAVAILABLE | ATTEST_TSM_REFUSED | ATTEST_TSM_INTERFERED
   */
  collect(request: ReportRequest): CollectedReport;
}

/** One thing that belongs to evidence. */
export interface CollateralRequest {
  readonly part: 'vcek' | 'chain' | 'crl' | 'tcbInfo' | 'qeIdentity' | 'pckCrl' | 'rootCrl';
  /** At the vendor. */
  readonly address: string;
  /** Path and query at a service that keeps copies. */
  readonly cachePath: string;
}

export interface CollateralAnswer {
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The way to vendors, or to a service that keeps copies. Implementations must follow no redirect, and bound time and size. */
export interface CollateralLink {
  /**
   * Null when the service has no such thing.
   * @throws AttestError ATTEST_SERVICE_UNAVAILABLE | ATTEST_SERVICE_MALFORMED
   */
  get(request: CollateralRequest): Promise<CollateralAnswer | null>;
}
