/** `license issue`: a data key for one device, with the terms under which it may be used; recorded before it is given out. */
import type { EndorsementTrust } from '../../attest/index.ts';
import { toHex, utf8, zeroize } from '../../core/bytes.ts';
import { LicenseError, WorkflowError } from '../../core/errors.ts';
import {
  encodeLicenseFile,
  encryptKeyDocument,
  type Enrolment,
  type EnrolmentFile,
  isAtLeast,
  type IssuedLicense,
  type KnownAssurance,
  type LicenseClaims,
  readEnrolmentFile,
  signLicense,
  toDekDigest,
  toThumbprint,
} from '../../license/index.ts';
import type { LicenseStore, LicenseTransaction } from '../../license/ports.ts';
import { isSeal, parseEnvelope, readSealHeader, type SealInfo, unwrapDek } from '../../seal/index.ts';
import { openFileSource } from '../../source/index.ts';
import { toEnvelopePath, unwrapForSeal } from '../open-model.ts';
import type { Session } from '../session.ts';
import { verifyEndorsed } from './certify.ts';
import { recordLicense, verifyIssued } from './issued.ts';
import type { VendorServices } from './services.ts';
import { toHeadDigest } from './seal-head.ts';
import { type LicenseTerms, toTermClaims } from './terms.ts';
import { openVendor, type Vendor } from './vendor.ts';

export interface IssueOptions {
  /** Absolute path of the sealed file. */
  readonly path: string;
  readonly envelopePath?: string | undefined;
  /** Null for the home's own key. */
  readonly keyUri: string | null;
  /** As the device sent it, or as it was certified. */
  readonly enrolment: Uint8Array;
  /** Whose TPMs are believed: `tpm` then demands a certified key, and its certificate is followed again; null asks for none. */
  readonly makers: EndorsementTrust | null;
  /** Name of the licence; null draws one. */
  readonly name: string | null;
  readonly terms: LicenseTerms;
}

export interface IssueResult {
  readonly license: IssuedLicense;
  /** The licence file; only the device opens the key in it. */
  readonly file: Uint8Array;
  readonly leafIndex: number;
}

/**
 * @throws LicenseError LICENSE_ENROLMENT_MALFORMED | LICENSE_ASSURANCE_LOW | those of `verifyEndorsed` | LICENSE_CLAIMS_INVALID | LICENSE_NAME_TAKEN;
 *   DatabaseError: nothing was given out
 * @throws WorkflowError NOT_SEALED | ENVELOPE_NOT_FOUND; SealError for key and envelope; LedgerError: nothing was given out
 */
export async function issueLicense(
  services: VendorServices,
  session: Session,
  options: IssueOptions,
): Promise<IssueResult> {
  const vendor = openVendor(session.owner);
  const enrolled = readEnrolmentFile(options.enrolment, [vendor.key]);
  assertAssurance(services, enrolled, options);
  const seal = readSeal(options.path);
  const dek = await unwrapForSeal(services, () => session.recorder, seal, options);
  try {
    return await withStore(services, (store) =>
      issueFor({ services, session, vendor, store, seal, dek, enrolled }, options),
    );
  } finally {
    zeroize(dek);
  }
}

/** With makers who are believed, a TPM that none of them certified is no TPM. */
function toLeast({ makers, terms }: IssueOptions): KnownAssurance {
  return makers !== null && terms.assurance === 'tpm' ? 'tpm-certified' : terms.assurance;
}

/** A word that was given under makers who are not believed any more is none. */
function assertAssurance(
  { clock }: Pick<VendorServices, 'clock'>,
  { enrolment, assurance, certified }: EnrolmentFile,
  options: IssueOptions,
): void {
  const least = toLeast(options);
  if (!isAtLeast(assurance, least)) throw new LicenseError('LICENSE_ASSURANCE_LOW', { fields: { least, assurance } });
  if (options.makers !== null && certified !== null) verifyEndorsed(enrolment, options.makers, clock.nowMs());
}

function readSeal(path: string): SealInfo {
  const source = openFileSource(path);
  try {
    if (!isSeal(source)) throw new WorkflowError('NOT_SEALED', { fields: { file: source.label } });
    return readSealHeader(source);
  } finally {
    source.close();
  }
}

export async function withStore<T>(services: VendorServices, work: (store: LicenseStore) => Promise<T>): Promise<T> {
  const store = await services.openLicenseStore();
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

interface Issuing {
  readonly services: VendorServices;
  readonly session: Session;
  readonly vendor: Vendor;
  readonly store: LicenseStore;
  readonly seal: SealInfo;
  readonly dek: Uint8Array;
  readonly enrolled: EnrolmentFile;
}

async function issueFor(by: Issuing, options: IssueOptions): Promise<IssueResult> {
  const { services, session, vendor, store, seal, dek, enrolled } = by;
  const { enrolment } = enrolled;
  const terms = { ...options.terms, assurance: toLeast(options) };
  const nowSec = Math.floor(services.clock.nowMs() / 1000);
  return store.transact(async (transaction) => {
    const index = await transaction.nextIndex();
    const claims: Omit<LicenseClaims, 'iss'> = {
      ...toTermClaims(terms, { nowSec, index, enrolment }),
      jti: options.name ?? drawName(services),
      seq: 1,
      cnf: { jkt: toThumbprint(enrolment.jwk) },
      key: toKeyClaim(enrolled),
      seal: { id: seal.header.sealId, sha256: toHeadDigest(seal) },
      agr: vendor.agreement.publicKey,
      dek_sha256: toDekDigest(dek),
    };
    await refuseTakenName(transaction, claims.jti);
    const license = await makeLicense({ services, vendor, dek, claims, index, enrolment });
    const leafIndex = await recordLicense(session.recorder, license, 'issue');
    await transaction.saveLicense(license);
    return { license, file: utf8(license.file), leafIndex };
  });
}

function toKeyClaim({ assurance, certified }: EnrolmentFile): LicenseClaims['key'] {
  return { assurance, ...(certified === null ? {} : { ek: certified.ek }) };
}

/** @throws LicenseError LICENSE_NAME_TAKEN */
export async function refuseTakenName(transaction: LicenseTransaction, name: string): Promise<void> {
  if ((await transaction.findLicense(name)) !== null) throw new LicenseError('LICENSE_NAME_TAKEN');
}

function drawName({ random }: Pick<VendorServices, 'random'>): string {
  const bytes = new Uint8Array(8);
  random.fill(bytes);
  return `L${toHex(bytes)}`;
}

interface Making {
  readonly services: Pick<VendorServices, 'random'>;
  readonly vendor: Vendor;
  readonly dek: Uint8Array;
  readonly claims: Omit<LicenseClaims, 'iss'>;
  readonly index: number;
  readonly enrolment: Pick<Enrolment, 'jwk'>;
}

async function makeLicense({ services, vendor, dek, claims, index, enrolment }: Making): Promise<IssuedLicense> {
  const license = await signLicense(vendor.signer, claims);
  const { random } = services;
  const keyDocument = encryptKeyDocument({ dek, recipient: enrolment.jwk, license, random });
  return {
    name: claims.jti,
    seq: claims.seq,
    jkt: claims.cnf.jkt,
    jwk: enrolment.jwk,
    sealId: claims.seal.id,
    licensee: claims.sub,
    index,
    standing: 'valid',
    pool: claims.pool ?? null,
    issuedSec: claims.iat,
    expiresSec: claims.exp,
    file: new TextDecoder().decode(encodeLicenseFile({ license, keyDocument })),
  };
}

export interface RenewOptions {
  readonly name: string;
  /** From now on. */
  readonly validSec: number;
  readonly keyUri: string | null;
}

/**
 * `license renew`: the same terms for longer, with the next number. The envelope in the home is asked for the key.
 * @throws LicenseError LICENSE_UNKNOWN | LICENSE_REVOKED; others as `issueLicense`
 */
export async function renewLicense(
  services: VendorServices,
  session: Session,
  options: RenewOptions,
): Promise<IssueResult> {
  const vendor = openVendor(session.owner);
  return withStore(services, async (store) => {
    const old = await store.transact((transaction) => transaction.findLicense(options.name));
    if (old === null) throw new LicenseError('LICENSE_UNKNOWN', { fields: { license: options.name } });
    if (old.standing === 'revoked') throw new LicenseError('LICENSE_REVOKED');
    const { claims } = verifyIssued(vendor, old);
    const dek = await unwrapForRenewal(services, session, old.sealId, options.keyUri);
    try {
      if (toDekDigest(dek) !== claims.dek_sha256) throw new LicenseError('LICENSE_KEY_WRONG');
      const nowSec = Math.floor(services.clock.nowMs() / 1000);
      return await store.transact(async (transaction) => {
        // Somebody else may have renewed it meanwhile: the numbers go on from the newest.
        const newest = (await transaction.findLicense(options.name)) ?? old;
        if (newest.standing === 'revoked') throw new LicenseError('LICENSE_REVOKED');
        const times = { seq: newest.seq + 1, iat: nowSec, nbf: nowSec, exp: nowSec + options.validSec };
        const made = { services, vendor, dek, index: old.index, enrolment: { jwk: old.jwk } };
        const license = {
          ...(await makeLicense({ ...made, claims: { ...claims, ...times } })),
          standing: newest.standing,
        };
        const leafIndex = await recordLicense(session.recorder, license, 'renew');
        await transaction.saveLicense(license);
        return { license, file: utf8(license.file), leafIndex };
      });
    } finally {
      zeroize(dek);
    }
  });
}

async function unwrapForRenewal(
  services: VendorServices,
  session: Session,
  sealId: string,
  uri: string | null,
): Promise<Uint8Array> {
  const path = toEnvelopePath(services, sealId);
  if (!services.storage.exists(path)) throw new WorkflowError('ENVELOPE_NOT_FOUND', { fields: { sealId } });
  const envelope = parseEnvelope(services.storage.read(path));
  const { writer: ledger, actor } = session.recorder;
  const keys = await services.openKeys({ uri, create: false, apartFrom: null, ledger, actor });
  const { dek } = await unwrapDek({ envelope, unwrappers: [keys.provider], clock: services.clock });
  return dek;
}
