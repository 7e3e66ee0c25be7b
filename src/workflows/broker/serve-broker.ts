/** A broker for this home: policy, keys and ledger put together into one handler. */
import {
  type BrokerPolicy,
  createBroker,
  createBrokerHandler,
  type EvidenceVerifier,
  readBrokerPolicy,
} from '../../broker/index.ts';
import { ModelwardError } from '../../core/errors.ts';
import type { HttpHandler } from '../../core/http-handler.ts';
import { readCollateralFiles } from '../attest/index.ts';
import { toEnvelopePath } from '../open-model.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { openEnvelopeKeyStore } from './key-store.ts';
import { createBrokerLog } from './log.ts';
import { createHardwareVerifier } from './verifier.ts';

export interface BrokerSetup {
  /** Absolute path. */
  readonly policyPath: string;
  /** Null for the home's own key. */
  readonly keyUri: string | null;
  /** Absolute paths of certificates, revocation lists and collateral, or of folders of them. */
  readonly collateralPaths: readonly string[];
  /** Told the code of outages and internal errors. */
  readonly onTrouble: (code: string) => void;
}

/** @throws BrokerError BROKER_POLICY_MALFORMED; AttestError ATTEST_POLICY_MALFORMED; SourceError */
export function checkBrokerPolicy(
  services: Pick<Services, 'storage' | 'home'>,
  policyPath: string,
): { readonly policy: BrokerPolicy; readonly withoutEnvelope: readonly string[] } {
  const policy = readBrokerPolicy(services.storage.read(policyPath));
  const withoutEnvelope = [...policy.resources.values()]
    .filter(({ sealId }) => !services.storage.exists(toEnvelopePath(services, sealId)))
    .map(({ name }) => name);
  return { policy, withoutEnvelope };
}

export interface HomeBroker {
  readonly handler: HttpHandler;
  readonly policy: BrokerPolicy;
  close(): Promise<void>;
}

/** @throws as `checkBrokerPolicy`; AttestError ATTEST_COLLATERAL_MALFORMED; SealError for the key store */
export async function openHomeBroker(services: Services, session: Session, setup: BrokerSetup): Promise<HomeBroker> {
  const collateral = readCollateralFiles(services, setup.collateralPaths);
  return openBrokerWith(services, session, setup, createHardwareVerifier(collateral));
}

/** As `openHomeBroker`, with a verifier of the caller's: the joint where other roots come in. */
export async function openBrokerWith(
  services: Services,
  { recorder }: Session,
  setup: Omit<BrokerSetup, 'collateralPaths'>,
  verifier: EvidenceVerifier,
): Promise<HomeBroker> {
  const { clock, random } = services;
  const { policy } = checkBrokerPolicy(services, setup.policyPath);
  const keys = await openEnvelopeKeyStore(services, recorder, setup.keyUri);
  const broker = createBroker({ policy, verifier, keys, log: createBrokerLog(recorder), clock, random });
  const onTrouble = (error: unknown): void => {
    setup.onTrouble(toTroubleCode(error));
  };
  return { handler: createBrokerHandler({ broker, clock, onTrouble }), policy, close: () => keys.close() };
}

/** The innermost code says what to look at; a message may hold a path. */
function toTroubleCode(error: unknown): string {
  const inner = error instanceof ModelwardError && error.cause instanceof ModelwardError ? error.cause : error;
  return inner instanceof ModelwardError ? inner.code : 'UNKNOWN';
}
