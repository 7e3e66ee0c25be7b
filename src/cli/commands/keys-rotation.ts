/** `modelward keys status`, `rotate` and `rewrap`: the life of the keys that open sealed models. */
import { type Command, Option } from 'commander';
import { CliError, EXIT, type ExitCode } from '../../core/errors.ts';
import type { Style } from '../../core/style.ts';
import type {
  KeyStatus,
  MoveResult,
  MoveToKeyOptions,
  RewrapAllResult,
  RotateResult,
} from '../../workflows/keys/index.ts';
import type { OpenedKeys } from '../../workflows/services.ts';
import type { Session } from '../../workflows/session.ts';
import { addExamples } from '../command-spec.ts';
import { type CliContext, type CommandHost, onAction, withSession } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';

interface KeyFlags {
  readonly key?: string;
  readonly envelopes?: string;
}

interface MoveFlags extends KeyFlags {
  readonly dryRun?: boolean;
  readonly disableOld?: boolean;
  readonly acceptLoss?: boolean;
  readonly seal?: readonly string[];
}

type AgeState = KeyStatus['age']['state'];

function addKeyOptions(command: Command): Command {
  return command
    .option('--key <uri>', 'key URI (default: the key of this home)')
    .option('--envelopes <folder>', 'folder with the key envelopes (default: those of this home)');
}

function addMoveOptions(command: Command): Command {
  return command
    .option('--dry-run', 'show what hangs on which version, and use no key')
    .option(
      '--disable-old',
      'end the older versions once nothing that this home knows hangs on them; what other homes wrapped is not known',
    )
    .option('--accept-loss', 'end them although envelopes that are not here may hang on them')
    .option('--seal <file...>', 'sealed files whose bytes are to be shown unchanged');
}

const toFolder = (context: CliContext, { envelopes }: KeyFlags): string =>
  envelopes === undefined ? context.services.home.envelopesFolder : context.toAbsolute(envelopes);

/** Opens a key behind the log of its uses, and closes it. */
async function withKeys<T>(
  { services }: CliContext,
  { recorder }: Session,
  given: { readonly uri: string | undefined; readonly apartFrom?: readonly string[] },
  work: (keys: OpenedKeys) => Promise<T>,
): Promise<T> {
  const { writer: ledger, actor } = recorder;
  const { uri = null, apartFrom = null } = given;
  const keys = await services.openKeys({ uri, create: false, apartFrom, ledger, actor });
  try {
    return await work(keys);
  } finally {
    await keys.provider.close?.();
  }
}

export function addKeyStatus(keys: Command, host: CommandHost): void {
  const command = addKeyOptions(
    keys
      .command('status')
      .summary('how old a key is, and what hangs on which version')
      .addOption(
        new Option('--expect <state>', 'exit 1 when the key is in another state').choices(['fresh', 'soon', 'due']),
      ),
  );
  addExamples(command, [
    { command: 'modelward keys status', summary: 'the key of this home' },
    { command: 'modelward keys status --expect fresh', summary: 'in a nightly job: fails from day 80 on' },
  ]);
  onAction<KeyFlags & { expect?: AgeState }>(host, command, (context, flags) =>
    withSession(context, (session) =>
      withKeys(context, session, { uri: flags.key }, async (opened) => {
        const { getKeyStatus } = await import('../../workflows/keys/status.ts');
        const status = await getKeyStatus(context.services, opened, toFolder(context, flags));
        context.ui.result(status, ({ style }) => showStatus(status, style));
        if (flags.expect !== undefined) return status.age.state === flags.expect ? EXIT.ok : EXIT.findings;
        return status.faults.length > 0 ? EXIT.malformed : EXIT.ok;
      }),
    ),
  );
}

export function addRotate(keys: Command, host: CommandHost): void {
  const command = addMoveOptions(
    addKeyOptions(
      keys
        .command('rotate')
        .summary('make a new version of a key and wrap everything under it')
        .description(
          'Makes a new version of the key, wraps the data key of every envelope under it, and reads each one back. Sealed files are not touched. A run that was killed is continued by the next one.',
        ),
    ),
  );
  addExamples(command, [
    { command: 'modelward keys rotate --dry-run', summary: 'what would be done' },
    { command: "modelward keys rotate --key 'aws-kms:alias/models?region=eu-west-1'", summary: 'a key of AWS KMS' },
    {
      command: 'modelward keys rotate --seal model.seal --disable-old',
      summary: 'with proof, and an end of old versions',
    },
  ]);
  onAction<MoveFlags>(host, command, (context, flags) =>
    runMove(context, flags, async (session, options) => {
      const { rotateKey } = await import('../../workflows/keys/rotate.ts');
      const result: RotateResult = await rotateKey(context.services, session, options);
      const head: [string, string] = [
        'version',
        `${result.from} → ${result.to}${result.isResumed ? ' (continued)' : ''}`,
      ];
      return { result, head };
    }),
  );
}

export function addRewrap(keys: Command, host: CommandHost): void {
  const command = addMoveOptions(
    addKeyOptions(
      keys
        .command('rewrap')
        .summary('wrap everything under the newest version of a key, or under another key')
        .option('--to <uri>', 'the key that takes over'),
    ),
  );
  addExamples(command, [
    { command: 'modelward keys rewrap', summary: 'after a rotation that the service did by itself' },
    {
      command: "modelward keys rewrap --to 'aws-kms:alias/models?region=eu-west-1'",
      summary: 'from this home to AWS KMS',
    },
  ]);
  onAction<MoveFlags & { to?: string }>(host, command, (context, flags) => {
    if (flags.to !== undefined) return runMoveTo(context, flags, flags.to);
    return runMove(context, flags, async (session, options) => {
      const { moveToNewest } = await import('../../workflows/keys/rotate.ts');
      const result = await moveToNewest(context.services, session, options);
      return { result, head: ['version', result.to] };
    });
  });
}

export function addAdd(keys: Command, host: CommandHost): void {
  const command = addKeyOptions(
    keys
      .command('add')
      .summary('let another key open the sealed models, too')
      .description(
        'Wraps the data key of every envelope under one more key: a second service, or a break-glass key whose identity lies in a safe. Sealed files are not touched.',
      )
      .requiredOption('--to <uri>', 'the key that is added')
      .option('--seal <file...>', 'sealed files that it must not lie beside, besides those that this home wrote'),
  );
  addExamples(command, [
    {
      command: 'modelward keys add --to age:age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg',
      summary: 'break-glass: "age -d" opens it when every service is gone',
    },
  ]);
  onAction<TargetFlags>(host, command, (context, flags) =>
    withTarget(context, flags, async (session, { keys, target, folder }) => {
      const { addKey } = await import('../../workflows/keys/add.ts');
      const result = await addKey(context.services, session, { keys, target, folder });
      context.ui.result(result, ({ style }) =>
        toPairs(
          [
            ['added', String(result.added)],
            ['had it', String(result.kept)],
            ...result.faults.map(({ file, code }): [string, string] => ['failed', `${file} (${code})`]),
          ],
          style,
        ),
      );
      return result.faults.length > 0 ? EXIT.findings : EXIT.ok;
    }),
  );
}

interface TargetFlags extends KeyFlags {
  readonly to: string;
  readonly seal?: readonly string[];
}

/** Opens the key of now and the one of `--to`, which must lie apart from every sealed file that it will open. */
function withTarget(
  context: CliContext,
  flags: TargetFlags,
  work: (session: Session, given: MoveToKeyOptions) => Promise<ExitCode>,
): Promise<ExitCode> {
  return withSession(context, async (session) => {
    const { listSealPlaces } = await import('../../workflows/keys/places.ts');
    const folder = toFolder(context, flags);
    const seals = (flags.seal ?? []).map((path) => context.toAbsolute(path));
    const apartFrom = listSealPlaces(context.services, folder, seals);
    return withKeys(context, session, { uri: flags.key }, (keys) =>
      withKeys(context, session, { uri: flags.to, apartFrom }, (target) => {
        if (target.note !== null) context.ui.note(target.note);
        return work(session, { keys, target, folder, seals });
      }),
    );
  });
}

interface MoveOptions {
  readonly keys: OpenedKeys;
  readonly folder: string;
  readonly disableOld: boolean;
  readonly acceptLoss: boolean;
  readonly seals: readonly string[];
}

type Move = (
  session: Session,
  options: MoveOptions,
) => Promise<{ readonly result: MoveResult; readonly head: readonly [string, string] }>;

function runMove(context: CliContext, flags: MoveFlags, move: Move): Promise<ExitCode> {
  return withSession(context, (session) =>
    withKeys(context, session, { uri: flags.key }, async (keys) => {
      const folder = toFolder(context, flags);
      if (flags.dryRun === true) return showDryRun(context, keys, folder);
      const seals = (flags.seal ?? []).map((path) => context.toAbsolute(path));
      const { disableOld = false, acceptLoss = false } = flags;
      const { result, head } = await move(session, { keys, folder, disableOld, acceptLoss, seals });
      context.ui.result(result, ({ style }) => toPairs([head, ...toMovePairs(result)], style));
      return result.faults.length > 0 ? EXIT.findings : EXIT.ok;
    }),
  );
}

/** A move to another key ends no version: the old key is the user's to end. */
function runMoveTo(context: CliContext, flags: MoveFlags, to: string): Promise<ExitCode> {
  if (flags.disableOld === true || flags.acceptLoss === true) {
    const message = '--disable-old and --accept-loss are of one key; a move with --to ends no version of either.';
    throw new CliError('CLI_USAGE', { message });
  }
  return withTarget(context, { ...flags, to }, async (session, given) => {
    const { moveToKey } = await import('../../workflows/keys/rotate.ts');
    if (flags.dryRun === true) return showDryRun(context, given.keys, given.folder);
    const result = await moveToKey(context.services, session, given);
    context.ui.result(result, ({ style }) => toPairs([...toCountPairs(result), ...toSealPairs(result.seals)], style));
    return result.faults.length > 0 ? EXIT.findings : EXIT.ok;
  });
}

async function showDryRun(context: CliContext, keys: OpenedKeys, folder: string): Promise<ExitCode> {
  const { getKeyStatus } = await import('../../workflows/keys/status.ts');
  const status = await getKeyStatus(context.services, keys, folder);
  context.ui.result({ dryRun: true, ...status }, ({ style }) => `${showStatus(status, style)}\nnothing was changed\n`);
  return status.faults.length > 0 ? EXIT.malformed : EXIT.ok;
}

function toCountPairs({ rewrapped, kept, faults }: RewrapAllResult): [string, string][] {
  return [
    ['rewrapped', String(rewrapped)],
    ['as they were', String(kept)],
    ...faults.map(({ file, code }): [string, string] => ['failed', `${file} (${code})`]),
  ];
}

function toMovePairs(result: MoveResult): [string, string][] {
  const remaining = Object.entries(result.remaining).map(([version, count]) => `${String(count)} on ${version}`);
  return [
    ...toCountPairs(result),
    ['on old versions', remaining.length === 0 ? 'none' : remaining.join(', ')],
    ...(result.disabled.length === 0 ? [] : [['disabled', result.disabled.join(', ')] as [string, string]]),
    ...toSealPairs(result.seals),
  ];
}

function toSealPairs(seals: MoveResult['seals']): [string, string][] {
  return seals.map(({ file, sha256, isAsRecorded }) => {
    const recorded = isAsRecorded === null ? 'not recorded in this ledger' : 'as recorded when it was sealed';
    return ['unchanged', `${file} ${sha256.slice(0, 16)}… ${recorded}`];
  });
}

const AGE_WORDS: Readonly<Record<AgeState, string>> = {
  fresh: 'fresh',
  soon: 'to be rotated soon',
  due: 'to be rotated now: modelward keys rotate',
  unknown: 'of unknown age',
};

function showStatus(status: KeyStatus, style: Style): string {
  const { ageDays, dueAt, state } = status.age;
  const age = ageDays === null ? '' : `, ${String(ageDays)} days old, due ${String(dueAt).slice(0, 10)}`;
  const head = toPairs(
    [
      ['key', `${status.type}:${status.keyRef}`],
      ['state', `${AGE_WORDS[state]}${age}`],
      ...(status.standing === null ? [] : [['standing', status.standing] as [string, string]]),
      ['envelopes', `${String(status.envelopes)}, ${String(status.others)} of them on other keys`],
      ...status.faults.map(({ file, code }): [string, string] => ['unreadable', `${file} (${code})`]),
    ],
    style,
  );
  const table = toTable({
    columns: [{ title: 'version' }, { title: 'made' }, { title: 'state' }, { title: 'wrapped keys', align: 'right' }],
    rows: status.versions.map(({ version, createdAt, state: own, isCurrent, wrappedKeys }) => [
      version,
      createdAt?.slice(0, 10) ?? '',
      isCurrent ? `${own}, wraps` : own,
      String(wrappedKeys),
    ]),
    style,
  });
  return `${head}\n${table}`;
}
