/** What a product calls where sealed models run: on a device with a licence, or in a machine that a key broker releases keys to. */
export {
  type AskOptions,
  type CheckOptions,
  type DeviceOptions,
  type LicensedDevice,
  type LoadOptions,
  openDevice,
  type SeatHolding,
} from './device.ts';
export {
  composeDevice,
  type DeviceComposition,
  type EnrollingServices,
  openBrokerLink,
  openReportSource,
  openRunner,
} from './compose.ts';
export { type GuestOptions, type GuestUse, loadInGuest } from './guest.ts';
