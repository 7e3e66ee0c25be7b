/** `modelward broker check`. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { toPrintable } from '../../../core/printable.ts';
import { checkBrokerPolicy } from '../../../workflows/broker/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';

export function defineBrokerCheck(command: Command, host: CommandHost): void {
  command
    .description(
      'Reads a broker policy as "broker serve" would. Prints the digest that stands in every entry of the ledger, and which resource is which seal under which policy. Exit 1 when this home has no key envelope for one of them.',
    )
    .argument('<policy>', 'broker policy (docs/spec/key-broker.md)');
  addExamples(command, [{ command: 'modelward broker check broker.json', summary: 'before it is served' }]);
  onAction<object>(host, command, (context, _flags, words) => {
    const { policy, withoutEnvelope } = checkBrokerPolicy(context.services, context.toAbsolute(words[0]));
    const resources = [...policy.resources.values()].map(
      ({ name, sealId, policy: { name: policyName, digestHex } }) => ({
        resource: name,
        sealId,
        policy: policyName,
        policyDigestHex: digestHex,
        hasEnvelope: !withoutEnvelope.includes(name),
      }),
    );
    context.ui.result({ name: policy.name, digestHex: policy.digestHex, resources }, ({ style }) =>
      toPairs(
        [
          ['policy', toPrintable(policy.name)],
          ['digest', policy.digestHex],
          ...resources.map((row): [string, string] => [
            row.resource,
            `${row.sealId} for ${toPrintable(row.policy)}${row.hasEnvelope ? '' : ': NO key envelope in this home'}`,
          ]),
        ],
        style,
      ),
    );
    return withoutEnvelope.length === 0 ? EXIT.ok : EXIT.findings;
  });
}
