/** A small codec of TPM 2.0: the commands that keys, licences and attestation need, over a line that is handed in. */
export { agree } from './agree.ts';
export * from './areas.ts';
export * from './attest.ts';
export { readClock, type TpmClock } from './clock.ts';
export { RC } from './codes.ts';
export { isRefusal, type Tpm, type TpmEntity } from './command.ts';
export * from './credential.ts';
export * from './endorsement.ts';
export * from './nv.ts';
export * from './objects.ts';
export * from './pcrs.ts';
export type { TpmTransport } from './ports.ts';
export type { Session } from './session.ts';
