/** Models whose key a broker releases to this machine. */
import { CliError } from '../../../../core/errors.ts';
import type { BrokerConfig, ModelConfig } from '../../../../gateway/index.ts';
import type { LoadedSession } from '../../../../model/runtime.ts';
import { openBrokerLink, openInProcessRunner, openReportSource } from '../../../compose.ts';
import type { CliContext } from '../../../context.ts';
import { findReleasedFlags, type ReleasedFlags } from '../../broker/released.ts';

/** The member of a model that the flags stand for; a seal has one key, so they go with one model. @throws CliError CLI_USAGE */
export function toBrokerMember(flags: Partial<ReleasedFlags> & { readonly model?: readonly string[] }): {
  readonly broker?: BrokerConfig;
} {
  const released = findReleasedFlags(flags);
  if (released === undefined) return {};
  if (flags.model?.length !== 1) throw new CliError('CLI_USAGE', { message: '--broker goes with one --model.' });
  const { broker: url, ...rest } = released;
  return { broker: { url, ...rest } };
}

/** Paths count from the folder of the configuration. */
export function toAbsoluteBroker({ broker }: ModelConfig, at: (path: string) => string): { broker?: BrokerConfig } {
  return broker?.ca === undefined ? {} : { broker: { ...broker, ca: at(broker.ca) } };
}

/**
 * Each instance asks anew, with evidence of its own moment: no key is kept for those that come after a failure, and a policy that
 * has changed holds for them. An enclave loads into itself: a child would be a second enclave.
 */
export function toReleasedOpener(
  { services }: CliContext,
  { file, broker }: Pick<ModelConfig, 'file'> & { readonly broker: BrokerConfig },
): () => Promise<LoadedSession> {
  const { url, resource, tee, ca } = broker;
  return async () => {
    // It judges evidence, and reads models: a gateway without a broker does neither.
    const { loadReleased } = await import('../../../../workflows/broker/index.ts');
    const caPem = ca === undefined ? undefined : services.storage.read(ca);
    const [link, source] = await Promise.all([openBrokerLink({ url, caPem }), openReportSource()]);
    const runner = tee === 'sgx' ? await openInProcessRunner() : services.openSealedRunner();
    return loadReleased(runner, { link, source, tee, resource, path: file });
  };
}
