/** The device of a licence: its key, its counter, and the parts that tell the machine. */
export { openFileCounter } from './file-counter.ts';
export { createMachineReader } from './machine.ts';
export { createSoftwareKey, openSoftwareKey } from './software.ts';
export { createTpmDevice, openTpmDevice, type TpmDevice, type TpmKeyOptions } from './tpm.ts';
