/** DCAP evidence of one lab: made from a quote and its collateral, and verified at its time. */
import { type DcapEvidence, verifyDcap } from '../../../src/attest/dcap/verify.ts';
import { codeOf as toCode } from '../../error-code.ts';
import { type CollateralSpec, createDcapLab, NOW_MS, type PlatformSpec, type QuoteSpec } from './dcap.ts';
import type { CertificateSpec } from './x509.ts';

export const lab = createDcapLab();

export const verify = (evidence: DcapEvidence, nowMs = NOW_MS) => verifyDcap(evidence, { nowMs, root: lab.root });

export const codeOf = (evidence: DcapEvidence, nowMs = NOW_MS) => toCode(() => verify(evidence, nowMs));

export const make = (quote: QuoteSpec = {}, collateral: CollateralSpec = {}): DcapEvidence =>
  lab.toEvidence(lab.makeQuote(quote), lab.makeCollateral({ kind: quote.kind ?? 'tdx', ...collateral }));

/** A quote of another platform or with another PCK certificate. */
export const makeOn = (platform: PlatformSpec, spec: Partial<CertificateSpec> = {}, collateral: CollateralSpec = {}) =>
  make({ pck: [lab.issuePck(spec, platform), lab.pckCa, lab.rootIssued] }, collateral);
