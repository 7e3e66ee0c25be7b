/** `attested`: the gateway makes its own certificates, in memory of attested hardware. */
import { join } from 'node:path';
import { GatewayError } from '../../../../core/errors.ts';
import type { AttestedConfig, GatewayConfig } from '../../../../gateway/index.ts';
import { openReportSource, openTlsAuthority } from '../../../compose.ts';
import type { CliContext } from '../../../context.ts';

const toKeyFolder = ({ services }: CliContext): string => join(services.home.root, 'gateway', 'attested');

/** `listen` with the files that will be made. @throws GatewayError GATEWAY_CONFIG_MALFORMED where a certificate is given, too */
export function toAttestedListen(context: CliContext, isAttested: boolean, listen: object): object {
  if (!isAttested) return listen;
  const { tls = {} } = listen as { readonly tls?: object };
  if ('cert' in tls || 'key' in tls) {
    throw new GatewayError('GATEWAY_CONFIG_MALFORMED', {
      fields: { at: ['attested: listen.tls has cert or key, too'] },
    });
  }
  const folder = toKeyFolder(context);
  return { ...listen, tls: { ...tls, cert: join(folder, 'server.pem'), key: join(folder, 'server.key') } };
}

/** Paths count from the folder of the configuration. */
export function toAbsoluteAttested(
  { attested }: GatewayConfig,
  at: (path: string) => string,
): { attested?: AttestedConfig } {
  return attested === undefined ? {} : { attested: { ...attested, out: at(attested.out) } };
}

/** @throws as `makeAttestedCertificates` */
export async function prepareAttested(context: CliContext, { attested }: GatewayConfig): Promise<void> {
  if (attested === undefined) return;
  const { makeAttestedCertificates } = await import('../../../../workflows/gateway/attested.ts');
  const [authority, source] = await Promise.all([openTlsAuthority(), openReportSource()]);
  const { names, out } = attested;
  await makeAttestedCertificates(context.services, { authority, source, names, out, keyFolder: toKeyFolder(context) });
  context.ui.note(`authority and evidence of this gateway in ${out}`);
}
