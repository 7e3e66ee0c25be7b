/** `modelward license register`: which register of licences this home uses, and moving to another one. */
import type { Command } from 'commander';
import { CliError, EXIT, LicenseError } from '../../../core/errors.ts';
import { addExamples } from '../../command-spec.ts';
import { type CliContext, type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { countRegister, moveRegister, openRegister, type Register, toHomeRegister, wasMovedTo } from './compose.ts';
import { chooseRegister, readGiven, readSettings, type RegisterFlags, writeSettings } from './register-choice.ts';

interface UseFlags {
  readonly use?: string;
  readonly useFile?: string;
  readonly move?: boolean;
}

export function defineRegister(command: Command, host: CommandHost): void {
  command
    .description(
      'Tells which register of licences this home uses, or changes it. The register is a database in the home until another is named: PostgreSQL for a licence server on more than one machine. --move takes all licences, seats and open requests along and closes the old register.',
    )
    .option('--use <url>', 'from now on use sqlite:FILE, or postgres://… without a password')
    .option('--use-file <file>', 'from now on use the address in this file, mode 600; the file is read each time')
    .option('--move', 'take everything along, and close the register that was used until now');
  addExamples(command, [
    { command: 'modelward license register', summary: 'where it is, and what is in it' },
    {
      command: 'modelward license register --use postgres://modelward@db.example/licences --move',
      summary: 'one register for several machines; the password is in ~/.pgpass',
    },
  ]);
  onAction<UseFlags>(host, command, async (context, flags) => {
    const isChange = flags.use !== undefined || flags.useFile !== undefined;
    if (!isChange && flags.move === true)
      throw new CliError('CLI_USAGE', { message: '--move needs --use or --use-file.' });
    const moved = isChange ? await change(context, flags) : 0;
    return withRegister(context, async (register) => show(context, register, moved));
  });
}

async function show(context: CliContext, register: Register, moved: number): Promise<typeof EXIT.ok> {
  const counts = await countRegister(register);
  const { label, isShared } = register;
  context.ui.result({ register: label, isShared, ...counts, moved }, ({ style }) =>
    toPairs(
      [
        ['register', isShared ? `PostgreSQL at ${label}` : label],
        ['licences', String(counts.licenses)],
        ['seats held', String(counts.leases)],
        ['logs', counts.logs.join(', ') || '-'],
      ],
      style,
    ),
  );
  return EXIT.ok;
}

/** Closes what it opened, whatever happens. */
async function withRegister<T>(context: CliContext, work: (register: Register) => Promise<T>): Promise<T> {
  const register = await openRegister(context.services, await chooseRegister(context, {}));
  try {
    return await work(register);
  } finally {
    await register.close();
  }
}

/** How many licences were moved. The choice is noted last: whoever is killed before does the same again. */
async function change(context: CliContext, flags: UseFlags): Promise<number> {
  const given: RegisterFlags = {
    ...(flags.use === undefined ? {} : { register: flags.use }),
    ...(flags.useFile === undefined ? {} : { registerFile: flags.useFile }),
  };
  const address = (await readGiven(context, given, {})) ?? toHomeRegister(context.services);
  const settings = readSettings(context);
  const to = await openRegister(context.services, { address, homeId: settings.home });
  try {
    const moved = await leave(context, to, flags.move === true);
    writeSettings(context, {
      ...settings,
      url: flags.use === undefined ? null : toAbsoluteUrl(context, flags.use),
      file: flags.useFile === undefined ? null : context.toAbsolute(flags.useFile),
    });
    return moved;
  } finally {
    await to.close();
  }
}

/** A file is named from wherever the next command runs. */
function toAbsoluteUrl(context: CliContext, url: string): string {
  return url.startsWith('sqlite:') ? `sqlite:${context.toAbsolute(url.slice('sqlite:'.length))}` : url;
}

/** @throws CliError CLI_USAGE for licences that would be left behind */
async function leave(context: CliContext, to: Register, isMove: boolean): Promise<number> {
  const from = await openRegister(context.services, await chooseRegister(context, {}));
  try {
    if (isMove) return (await moveRegister(from, to)).licenses;
    const { licenses } = await countRegister(from);
    if (licenses > 0) {
      const message = 'The register that this home uses has licences, which would be left behind: add --move.';
      throw new CliError('CLI_USAGE', { message, fields: { licenses } });
    }
    return 0;
  } catch (error) {
    // Moved there already, by a command that was killed before it could note it.
    const isMoved = error instanceof LicenseError && error.code === 'LICENSE_REGISTER_MOVED';
    if (isMoved && (await wasMovedTo(from, to))) return 0;
    throw error;
  } finally {
    await from.close();
  }
}
