/** Which register of licences a command uses: what the command line says, else the environment, else the home's own choice. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { toHex, utf8 } from '../../../core/bytes.ts';
import { CliError, type ErrorCode, LicenseError, SourceError } from '../../../core/errors.ts';
import { writeBytes } from '../../../workflows/write-bytes.ts';
import type { CliContext } from '../../context.ts';
import { readSecretFile } from '../../ui/secret.ts';
import {
  type DatabaseAddress,
  readRegisterAddress,
  type RegisterChoice,
  toHomeRegister,
  toRegisterFolder,
} from './compose.ts';

export interface RegisterFlags {
  readonly register?: string;
  readonly registerFile?: string;
}

export function addRegisterOptions(command: Command): Command {
  return command
    .option(
      '--register <url>',
      "register of licences: sqlite:FILE, or postgres://… without a password (default: the home's)",
    )
    .option('--register-file <file>', 'file with the address of the register, mode 600');
}

/** The home's own choice, `licenses/register.json`. */
const settingsShape = z.strictObject({
  v: z.literal(1),
  /** Drawn once; tells this home from others. */
  home: z.string().regex(/^[0-9a-f]{32}$/),
  /** Address without a password, or path of the file that holds it; null for the embedded one. */
  url: z.string().max(1024).nullable(),
  file: z.string().max(4096).nullable(),
});

export type RegisterSettings = z.infer<typeof settingsShape>;

/** @throws LicenseError LICENSE_STORE_FAILED */
export function readSettings({ services }: Pick<CliContext, 'services'>): RegisterSettings {
  const path = toSettingsPath(services);
  if (!services.storage.exists(path)) makeSettings(services);
  try {
    return settingsShape.parse(JSON.parse(Buffer.from(services.storage.read(path)).toString('utf8')));
  } catch (cause) {
    throw new LicenseError('LICENSE_STORE_FAILED', { fields: { file: 'register.json', reason: 'damaged' }, cause });
  }
}

/** The first one stays: of two processes that begin at once, both take the home to be the same. */
function makeSettings(services: CliContext['services']): void {
  try {
    writeSettings({ services }, { v: 1, home: toHex(randomBytes(16)), url: null, file: null }, { replace: false });
  } catch (error) {
    if (!(error instanceof SourceError) || error.code !== 'WRITE_EXISTS') throw error;
  }
}

export function writeSettings(
  { services }: Pick<CliContext, 'services'>,
  settings: RegisterSettings,
  { replace = true }: { readonly replace?: boolean } = {},
): void {
  const { storage } = services;
  const folder = toRegisterFolder(services);
  if (!storage.exists(folder)) storage.makeFolder(folder, 0o700);
  const bytes = utf8(`${JSON.stringify(settings)}\n`);
  writeBytes(storage, { path: toSettingsPath(services), mode: 0o600, bytes, replace });
}

function toSettingsPath(services: Parameters<typeof toRegisterFolder>[0]): string {
  return join(toRegisterFolder(services), 'register.json');
}

/** @throws CliError CLI_USAGE | CLI_SECRET_…; LicenseError LICENSE_STORE_FAILED; DatabaseError of the address */
export async function chooseRegister(context: CliContext, flags: RegisterFlags): Promise<RegisterChoice> {
  const settings = readSettings(context);
  const given = await readGiven(context, flags, process.env);
  const address = given ?? (await readSettled(context, settings)) ?? toHomeRegister(context.services);
  return { address, homeId: settings.home };
}

/** What the command line says goes before the environment. */
export async function readGiven(
  context: CliContext,
  { register, registerFile }: RegisterFlags,
  env: Readonly<Record<string, string | undefined>>,
): Promise<DatabaseAddress | null> {
  if (register !== undefined && registerFile !== undefined) {
    throw new CliError('CLI_USAGE', { message: 'Give one of --register URL and --register-file FILE.' });
  }
  if (registerFile !== undefined) return readAddressFile(context, context.toAbsolute(registerFile));
  if (register !== undefined) return readAddress(context, register, false);
  const { MODELWARD_REGISTER_FILE: file, MODELWARD_REGISTER_URL: url } = env;
  if (file !== undefined && file !== '') return readAddressFile(context, context.toAbsolute(file));
  if (url !== undefined && url !== '') return readAddress(context, url, false);
  return null;
}

async function readSettled(context: CliContext, { url, file }: RegisterSettings): Promise<DatabaseAddress | null> {
  if (file !== null) return readAddressFile(context, file);
  return url === null ? null : readAddress(context, url, false);
}

function readAddress(context: CliContext, text: string, isPasswordAllowed: boolean): Promise<DatabaseAddress> {
  return readRegisterAddress(text, { isPasswordAllowed, toAbsolute: (path) => context.toAbsolute(path) });
}

/** In the words of the file that it is: the errors speak of passphrases. */
const FILE_MESSAGES: Partial<Record<ErrorCode, string>> = {
  CLI_SECRET_FILE_EXPOSED: 'The file with the address of the register can be read by other users.',
  CLI_SECRET_UNREADABLE: 'The file with the address of the register cannot be read.',
  CLI_SECRET_EMPTY: 'The file with the address of the register is empty.',
  CLI_SECRET_TOO_LONG: 'The file of the register holds more than an address.',
};

function readAddressFile(context: CliContext, path: string): Promise<DatabaseAddress> {
  try {
    return readAddress(context, Buffer.from(readSecretFile(path)).toString('utf8'), true);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const message = FILE_MESSAGES[error.code] ?? error.message;
    throw new CliError(error.code, { message, fields: error.fields, cause: error });
  }
}
