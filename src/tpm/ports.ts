/** What a TPM is reached through. */

/**
 * A line to a TPM 2.0.
 *
 * An implementer must send one command at a time, must return the whole response, must not keep or log either, and must
 * throw TpmError TPM_UNAVAILABLE when there is none within the time that TPM_LIMITS gives.
 */
export interface TpmTransport {
  transmit(command: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}
