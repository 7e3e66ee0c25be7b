/** Key broker: releases data keys to attested machines, in the KBS protocol of Trustee. */
export { type Broker, type BrokerOptions, createBroker, type Credentials } from './broker.ts';
export { fetchKey, type FetchKeyOptions } from './client.ts';
export { readPrimaryEvidence } from './evidence.ts';
export { type BrokerHandlerOptions, createBrokerHandler } from './http.ts';
export { decryptJwe, encryptJwe, type FlattenedJwe } from './jwe.ts';
export { PROTOCOL_VERSION, type Tee, TEES } from './messages.ts';
export { BROKER_POLICY_TYPE, type BrokerPolicy, type BrokerResource, readBrokerPolicy } from './policy.ts';
export type * from './ports.ts';
export { digestRuntimeData, type RuntimeData } from './runtime-data.ts';
export { readTeeKey, type TeeJwk, type TeeKey } from './tee-key.ts';
