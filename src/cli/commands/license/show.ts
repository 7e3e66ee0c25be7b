/** `modelward license show`: what a licence says. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { parseLicenseFile, readUnverified, toIso, verifyLicense } from '../../../license/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { readTrust, type TrustFlags } from './flags.ts';

export function defineShow(command: Command, host: CommandHost): void {
  command
    .description(
      'Prints the claims of a licence. Without --vendor-key they are what anyone may have written, and told so.',
    )
    .argument('<license>', 'licence file')
    .option('--vendor-key <file>', 'public key of the vendor')
    .option('--audience <name>', 'product that the licence must be for');
  addExamples(command, [
    { command: 'modelward license show acme.license.json', summary: 'for which device and model' },
  ]);
  onAction<TrustFlags>(host, command, (context, flags, words) => {
    const { license } = parseLicenseFile(context.services.storage.read(context.toAbsolute(words[0])));
    const isVerified = flags.vendorKey !== undefined;
    const claims = isVerified ? verifyLicense(license, readTrust(context, flags)).claims : readUnverified(license);
    context.ui.result({ isVerified, claims }, ({ style }) =>
      toPairs(
        [
          ['verified', isVerified ? 'yes' : 'NO: give --vendor-key'],
          ['licence', `${claims.jti}, number ${claims.seq}`],
          ['licensee', claims.sub],
          ['product', claims.aud],
          ['seal', claims.seal.id],
          ['device', claims.cnf.jkt],
          ['key', `${claims.key?.assurance ?? 'unknown'}, ${claims.asr} demanded`],
          ['from', toIso(claims.nbf)],
          ['to', toIso(claims.exp)],
          ['entitlements', claims.ent.join(', ') || '-'],
          ['pool', claims.pool === undefined ? '-' : `${claims.pool.id}, ${claims.pool.seats} seats`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
