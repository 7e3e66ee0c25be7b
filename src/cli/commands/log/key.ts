/** `modelward log key`. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { openGatewayKey, toPublicPem } from '../../../workflows/gateway/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, withSession } from '../../context.ts';

export function defineKey(command: Command, host: CommandHost): void {
  command.description(
    'Prints the public key (PEM) by which the gateway of this home signs checkpoints of its log, and answers where it was told to. The key is made on first use; the ledger states it in the entry that is named.',
  );
  addExamples(command, [{ command: 'modelward log key > gateway.pem', summary: 'to hand out with proofs' }]);
  onAction<object>(host, command, async (context) => {
    const { storage, home, random } = context.services;
    const { signer, leafIndex } = await withSession(context, ({ recorder }) =>
      openGatewayKey({ storage, home, random, recorder }),
    );
    const publicKey = toPublicPem(signer.publicKey);
    context.ui.result({ keyId: signer.keyId, publicKey, leafIndex }, () => publicKey);
    return EXIT.ok;
  });
}
