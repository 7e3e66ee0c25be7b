/** What every key provider is opened with, and what opening it gives. */
import type { Clock, Pause, Random } from '../../core/ports.ts';
import type { KeyProvider, KeyScheme, KeyUriOf } from '../../seal/ports.ts';
import type { TpmTransport } from '../../tpm/index.ts';
import type { ProviderFiles } from './provider-files.ts';

/** Everything from outside that providers use, besides the service itself. */
export interface ProviderPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly pause: Pause;
  readonly files: ProviderFiles;
  /** The environment; only what the tools of a service define is read, never a variable of our own. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * Asks for the passphrase of a key, twice when it is new. The caller wipes it.
   * @throws CliError where nobody can be asked
   */
  readonly askPassphrase: (request: { readonly isNew: boolean }) => Promise<Uint8Array>;
  /** A line to a TPM; null means the machine's own. @throws TpmError TPM_UNAVAILABLE */
  readonly openTpm: (address: string | null) => Promise<TpmTransport>;
}

export interface OpenProviderOptions<S extends KeyScheme> {
  readonly uri: KeyUriOf<S>;
  readonly ports: ProviderPorts;
  /** Makes the key when it is missing; a provider whose keys are made in the service's own way does not look at it. */
  readonly create: boolean;
}

export interface OpenedProvider {
  readonly provider: KeyProvider;
  /** How the log names this key before the service was asked: its `keyRef` where that is known, else as in the URI. */
  readonly keyRef: string;
  /** As in `KeyDescription`. */
  readonly standing: string | null;
}

/** What the door of each provider's folder exports as `openProvider`. It checks what it can without using the key. */
export type OpenProvider<S extends KeyScheme> = (options: OpenProviderOptions<S>) => Promise<OpenedProvider>;
