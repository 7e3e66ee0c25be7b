/** Keys over their life: how old they are, what hangs on them, rotation, and moving to another key. */
export { addKey, type AddKeyOptions, type AddKeyResult } from './add.ts';
export { type KeyAge, ROTATION_DUE_DAYS, ROTATION_WARN_DAYS, toKeyAge } from './due.ts';
export { type EnvelopeFault, listEnvelopePaths } from './envelopes.ts';
export { rewrapAll, type RewrapAllOptions, type RewrapAllResult } from './rewrap.ts';
export { listSealPlaces } from './places.ts';
export {
  type MoveResult,
  moveToKey,
  type MoveToKeyOptions,
  moveToNewest,
  rotateKey,
  type RotateOptions,
  type RotateResult,
} from './rotate.ts';
export type { SealProof } from './seals.ts';
export { getKeyStatus, type KeyStatus } from './status.ts';
export { resealModel, type ResealOptions, type ResealResult } from './reseal.ts';
