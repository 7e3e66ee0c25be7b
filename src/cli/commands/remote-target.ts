/** Options that say how an end point is reached and spoken to; secrets come from private files or descriptors alone. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { zeroize } from '../../core/bytes.ts';
import { CliError, RemoteError } from '../../core/errors.ts';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import {
  createTemplateFormat,
  FORMAT_NAMES,
  type FormatName,
  FORMATS,
  type RequestFormat,
} from '../../watermark/remote/formats/index.ts';
import type { Target } from '../../workflows/remote/verify-remote.ts';
import type { CliContext } from '../context.ts';
import { readSecretFd, readSecretFile } from '../ui/secret.ts';

export interface TargetFlags {
  readonly url: string;
  readonly format?: FormatName;
  readonly requestTemplate?: string;
  readonly responsePath?: string;
  readonly labels?: string;
  readonly modelName?: string;
  readonly headerFile?: string;
  readonly apiKeyFile?: string;
  readonly apiKeyFd?: number;
  readonly cacert?: string;
  readonly insecureHttp?: boolean;
}

export function addTargetOptions(command: Command): Command {
  return command
    .requiredOption('--url <url>', 'address that is asked by POST')
    .addOption(new Option('--format <name>', 'how it is spoken to (default: plain)').choices(FORMAT_NAMES))
    .option(
      '--request-template <file>',
      'JSON with "{{input}}" or "{{prompt}}" where the question goes, instead of --format',
    )
    .option('--response-path <path>', 'where the answer is in the reply, such as result.0.scores')
    .option('--labels <file>', 'class names in the order of their numbers, one per line, for replies with names')
    .option('--model-name <name>', 'name of the model that requests must carry')
    .option('--header-file <file>', 'lines of "Name: value" that are sent, mode 600')
    .option('--api-key-file <file>', 'key that is sent as bearer token, mode 600')
    .option('--api-key-fd <number>', 'descriptor that the key is read from', toDescriptor)
    .option('--cacert <file>', 'PEM of the authority of the end point, beside the usual ones')
    .option('--insecure-http', 'allow http to other machines: everybody on the way can read the probes');
}

function toDescriptor(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Not a number of a descriptor.');
}

/** @throws RemoteError REMOTE_…; CliError CLI_USAGE | CLI_SECRET_…; SourceError */
export async function openTarget(context: CliContext, flags: TargetFlags): Promise<Target> {
  const { storage } = context.services;
  const format = openFormat(context, flags);
  const labels =
    flags.labels === undefined ? new Map<string, number>() : readLabels(storage.read(context.toAbsolute(flags.labels)));
  const endpoint = await context.services.openEndpoint({
    url: flags.url,
    headers: readHeaders(context, flags),
    cacert: flags.cacert === undefined ? null : storage.read(context.toAbsolute(flags.cacert)),
    isInsecureAllowed: flags.insecureHttp === true,
  });
  const formatName = flags.requestTemplate === undefined ? (flags.format ?? 'plain') : 'template';
  return { endpoint, url: flags.url, format, formatName, labels, model: flags.modelName ?? null };
}

function openFormat(context: CliContext, flags: TargetFlags): RequestFormat {
  const { requestTemplate, responsePath, format } = flags;
  if (requestTemplate === undefined && responsePath === undefined) return FORMATS[format ?? 'plain'];
  if (requestTemplate === undefined || responsePath === undefined || format !== undefined) {
    throw new CliError('CLI_USAGE', {
      message: '--request-template and --response-path go together, and without --format.',
    });
  }
  const bytes = context.services.storage.read(context.toAbsolute(requestTemplate));
  if (bytes.length > REMOTE_LIMITS.templateBytesMax) {
    throw new RemoteError('REMOTE_TEMPLATE_MALFORMED', { fields: { at: 'size' } });
  }
  return createTemplateFormat({ template: Buffer.from(bytes).toString('utf8'), responsePath });
}

/** @throws RemoteError REMOTE_LABELS_MALFORMED */
export function readLabels(bytes: Uint8Array): ReadonlyMap<string, number> {
  const malformed = new RemoteError('REMOTE_LABELS_MALFORMED');
  if (bytes.length > REMOTE_LIMITS.labelsBytesMax) throw malformed;
  const lines = Buffer.from(bytes)
    .toString('utf8')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
  const labels = new Map(lines.map((line, index) => [line, index]));
  if (labels.size !== lines.length || labels.has('')) throw malformed;
  return labels;
}

/** Headers that the client sets itself, or that would change how a request is cut. */
const RESERVED = new Set([
  'host',
  'content-length',
  'content-type',
  'transfer-encoding',
  'connection',
  'accept-encoding',
  'expect',
  'upgrade',
]);

function readHeaders(context: CliContext, { headerFile, apiKeyFile, apiKeyFd }: TargetFlags): Map<string, string> {
  const headers = new Map<string, string>();
  if (headerFile !== undefined) {
    const text = readSecret((bytesMax) => readSecretFile(context.toAbsolute(headerFile), bytesMax));
    for (const [name, value] of parseHeaders(text)) headers.set(name, value);
  }
  const key =
    apiKeyFile !== undefined
      ? readSecret((bytesMax) => readSecretFile(context.toAbsolute(apiKeyFile), bytesMax))
      : apiKeyFd !== undefined
        ? readSecret((bytesMax) => readSecretFd(apiKeyFd, bytesMax))
        : undefined;
  if (key !== undefined) {
    if (!VALUE.test(key) || headers.has('authorization')) throw new RemoteError('REMOTE_HEADERS_MALFORMED');
    headers.set('authorization', `Bearer ${key}`);
  }
  return headers;
}

function readSecret(read: (bytesMax: number) => Uint8Array): string {
  const bytes = read(REMOTE_LIMITS.headerFileBytesMax);
  try {
    return Buffer.from(bytes).toString('utf8');
  } finally {
    zeroize(bytes);
  }
}

/** Visible ASCII and spaces: nothing that could begin another header. */
const VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
const NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$/;

/** @throws RemoteError REMOTE_HEADERS_MALFORMED with the line, never its content */
export function parseHeaders(text: string): readonly (readonly [string, string])[] {
  const lines = text.split(/\r?\n/);
  const refuse = (line: number): RemoteError => new RemoteError('REMOTE_HEADERS_MALFORMED', { fields: { line } });
  if (lines.length > REMOTE_LIMITS.headersMax) throw refuse(REMOTE_LIMITS.headersMax + 1);
  return lines.flatMap((line, index): (readonly [string, string])[] => {
    if (line.trim() === '') return [];
    const at = line.indexOf(':');
    const name = line.slice(0, Math.max(0, at)).toLowerCase();
    const value = line.slice(at + 1).trim();
    if (at < 1 || !NAME.test(name) || !VALUE.test(value) || RESERVED.has(name)) throw refuse(index + 1);
    return [[name, value]];
  });
}
