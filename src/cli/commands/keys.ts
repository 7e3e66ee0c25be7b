/** `modelward keys`: the owner's identity, its backup, and its restore; the keys of sealed models over their life. */
import { type Command, InvalidArgumentError } from 'commander';
import { zeroize } from '../../core/bytes.ts';
import { EXIT } from '../../core/errors.ts';
import { backUpOwner, ensureOwner, findOwner, isBackedUp, restoreOwner, toLedgerKey } from '../../workflows/owner.ts';
import { addExamples } from '../command-spec.ts';
import { type CliContext, type CommandHost, onAction } from '../context.ts';
import { askSecret, readSecretFd, readSecretFile } from '../ui/secret.ts';
import { toPairs } from '../ui/table.ts';
import { addReseal } from './keys-reseal.ts';
import { addAdd, addKeyStatus, addRewrap, addRotate } from './keys-rotation.ts';
import { toNumber } from './values.ts';

interface PassphraseFlags {
  readonly passphraseFile?: string;
  readonly passphraseFd?: number;
}

export function defineKeys(keys: Command, host: CommandHost): void {
  addCreate(keys, host);
  addShow(keys, host);
  addBackup(keys, host);
  addRestore(keys, host);
  addKeyStatus(keys, host);
  addRotate(keys, host);
  addRewrap(keys, host);
  addAdd(keys, host);
  addReseal(keys, host);
}

function addCreate(keys: Command, host: CommandHost): void {
  const command = keys
    .command('create')
    .summary('make the owner identity of this home')
    .option('--owner <id>', 'name of the owner', 'owner');
  addExamples(command, [{ command: 'modelward keys create --owner acme', summary: 'once per home' }]);
  onAction<{ owner: string }>(host, command, (context, { owner: ownerId }) => {
    const owner = ensureOwner(context.services, ownerId);
    printOwner(context, owner);
    return EXIT.ok;
  });
}

function addShow(keys: Command, host: CommandHost): void {
  const command = keys.command('show').summary('print the public part of the owner identity');
  addExamples(command, [{ command: 'modelward keys show --json', summary: 'for those who verify your signatures' }]);
  onAction<object>(host, command, (context) => {
    const owner = findOwner(context.services);
    if (owner === undefined) {
      context.ui.result(
        { owner: null },
        () => 'no owner yet: "modelward protect" or "modelward keys create" makes one\n',
      );
      return EXIT.ok;
    }
    printOwner(context, owner);
    return EXIT.ok;
  });
}

/** The public part; the secrets are wiped first. */
function printOwner(context: CliContext, owner: ReturnType<typeof ensureOwner>): void {
  const ledgerKey = toLedgerKey(owner);
  zeroize(owner.secrets.signKeyPkcs8, owner.secrets.ledgerSeed, owner.secrets.sealKey);
  const { identity } = owner;
  const backedUp = isBackedUp(context.services);
  context.ui.result({ owner: identity, ledgerKey, backedUp, home: context.services.home.root }, ({ style }) => {
    const pairs = toPairs(
      [
        ['owner', identity.ownerId],
        ['since', identity.createdAt],
        ['ledger', ledgerKey],
        ['home', context.services.home.root],
        ['backup', backedUp ? 'made' : 'none: run "modelward keys backup"'],
      ],
      style,
    );
    return `${pairs}\n${identity.signKey}`;
  });
}

function addPassphraseOptions(command: Command): Command {
  return command
    .option('--passphrase-file <file>', 'read the passphrase from a file that only you can read')
    .option('--passphrase-fd <number>', 'read the passphrase from an open file descriptor', toNumber);
}

function addBackup(keys: Command, host: CommandHost): void {
  const command = addPassphraseOptions(
    keys
      .command('backup')
      .summary('write the owner keys, encrypted under a passphrase')
      .description(
        'Writes a file that restores the owner: without the owner keys no claim can be proven and no seed opened. Keep it away from this machine, and the passphrase away from the file.',
      )
      .requiredOption('-o, --out <file>', 'where to write'),
  );
  addExamples(command, [
    { command: 'modelward keys backup --out /media/usb/owner.backup.json', summary: 'asks for a passphrase' },
  ]);
  onAction<PassphraseFlags & { out: string }>(host, command, async (context, flags) => {
    const path = context.toAbsolute(flags.out);
    context.services.onSecrets();
    const passphrase = await readPassphrase(context, flags, true);
    await backUpOwner(context.services, { path, passphrase });
    context.ui.result({ backup: path }, () => `backup written to ${path}\n`);
    return EXIT.ok;
  });
}

function addRestore(keys: Command, host: CommandHost): void {
  const command = addPassphraseOptions(
    keys
      .command('restore')
      .summary('put a backed-up owner into an empty home')
      .argument('<backup>', 'backup file')
      .option('--log <name>', 'give this home a log of its own: while another home of the owner is in use', toLogName),
  );
  addExamples(command, [{ command: 'modelward keys restore owner.backup.json', summary: 'on a new machine' }]);
  onAction<PassphraseFlags & { log?: string }>(host, command, async (context, flags, words) => {
    const backup = context.services.storage.read(context.toAbsolute(words[0]));
    context.services.onSecrets();
    const passphrase = await readPassphrase(context, flags, false);
    const ownerId = await restoreOwner(context.services, { backup, passphrase, log: flags.log });
    context.ui.result({ ownerId }, () => `restored ${ownerId}\n`);
    return EXIT.ok;
  });
}

function toLogName(text: string): string {
  if (!/^[a-z0-9-]{1,32}$/.test(text)) throw new InvalidArgumentError('Up to 32 of a-z, 0-9 and "-".');
  return text;
}

/** Scrypt takes a string of UTF-8 text here; the bytes are wiped, the string lives until it is collected. */
async function readPassphrase(context: CliContext, flags: PassphraseFlags, isNew: boolean): Promise<string> {
  const bytes =
    flags.passphraseFile !== undefined
      ? readSecretFile(context.toAbsolute(flags.passphraseFile))
      : flags.passphraseFd !== undefined
        ? readSecretFd(flags.passphraseFd)
        : await askSecret({ terminal: context.terminal, prompt: 'Passphrase for the backup', isNew });
  try {
    return Buffer.from(bytes).toString('utf8');
  } finally {
    zeroize(bytes);
  }
}
