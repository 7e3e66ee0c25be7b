/** `modelward verify-response`: what a customer, or a judge, checks of an answer of a gateway. */
import type { Command } from 'commander';
import { zeroize } from '../../core/bytes.ts';
import { CliError, ERRORS, EXIT } from '../../core/errors.ts';
import { INTEGRITY_LIMITS } from '../../core/limits/integrity.ts';
import type { CheckKeys, IntegrityReport, ReceivedAnswer } from '../../gateway/index.ts';
import {
  checkResponse,
  readPublicKey,
  readResponse,
  readTagKey,
  readWholeResponse,
} from '../../workflows/gateway/index.ts';
import { addExamples } from '../command-spec.ts';
import { type CliContext, type CommandHost, onAction } from '../context.ts';
import { readSecretFile } from '../ui/secret.ts';
import { toPairs } from '../ui/table.ts';
import { toDuration } from './license/flags.ts';

interface VerifyResponseFlags {
  readonly headers?: string;
  readonly requestBody: string;
  readonly path: string;
  readonly method: string;
  readonly key?: string;
  readonly publicKey?: string;
  readonly proof?: string;
  readonly maxAge?: number;
}

export function defineVerifyResponse(command: Command, host: CommandHost): void {
  command
    .description(
      "Checks that an answer is the one that the gateway gave to this request: digest of the body, digest of the request, status, method, path and time, under an integrity tag or a signature. The tag is checked with the file of the API key and is no evidence towards others, who could have made it with the same key; a signature, or a proof of the log, is checked with the gateway's public key. Exit 1 names what is wrong.",
    )
    .argument('<answer>', 'what "curl -i" wrote; with --headers the body alone')
    .option('--headers <file>', 'status line and headers, as "curl -D" writes them')
    .requiredOption('--request-body <file>', 'body of the request as it was sent')
    .requiredOption('--path <path>', 'path of the request as it was sent, without the query')
    .option('--method <name>', 'method of the request', 'POST')
    .option('--key <file>', 'file of the API key that the request was sent with, mode 600')
    .option('--public-key <file>', 'public key of the gateway, PEM: "modelward log key"')
    .option('--proof <file>', 'proof of "modelward log prove", checked with --public-key')
    .option('--max-age <time>', 'refuse answers that are older, such as 5m', toDuration);
  addExamples(command, [
    {
      command:
        'modelward verify-response answer.http --request-body body.json --path /v2/models/fraud/infer --key acme.json',
      summary: 'as the customer',
    },
    {
      command:
        'modelward verify-response answer.http --request-body body.json --path /v2/models/fraud/infer --public-key gateway.pem --proof answer.proof.json',
      summary: 'as somebody else',
    },
  ]);
  onAction<VerifyResponseFlags>(host, command, (context, flags, words) => {
    const keys = readKeys(context, flags);
    try {
      const report = checkResponse({
        ...{ keys, answer: readAnswer(context, flags, words[0]) },
        request: { method: flags.method, path: flags.path, body: read(context, flags.requestBody) },
        proof: flags.proof === undefined ? null : read(context, flags.proof, INTEGRITY_LIMITS.keyFileBytesMax),
        nowMs: context.services.clock.nowMs(),
        maxAgeMs: flags.maxAge === undefined ? null : flags.maxAge * 1000,
      });
      context.ui.result(report, ({ style }) => toText(report, style));
      return report.isVerified ? EXIT.ok : EXIT.findings;
    } finally {
      if (keys.tag !== null) zeroize(keys.tag.key);
    }
  });
}

/** @throws CliError CLI_USAGE | CLI_SECRET_…; GatewayError INTEGRITY_FILE_MALFORMED */
function readKeys(context: CliContext, { key, publicKey, proof }: VerifyResponseFlags): CheckKeys {
  if (key === undefined && publicKey === undefined) {
    throw new CliError('CLI_USAGE', { message: 'Give --key FILE, --public-key FILE, or both.' });
  }
  if (proof !== undefined && publicKey === undefined) {
    throw new CliError('CLI_USAGE', { message: 'A --proof is checked with --public-key FILE.' });
  }
  const { keyFileBytesMax } = INTEGRITY_LIMITS;
  return {
    tag: key === undefined ? null : readTagFile(context.toAbsolute(key)),
    publicKey: publicKey === undefined ? null : readPublicKey(read(context, publicKey, keyFileBytesMax)),
  };
}

function readTagFile(path: string): NonNullable<CheckKeys['tag']> {
  const bytes = readSecretFile(path, INTEGRITY_LIMITS.keyFileBytesMax);
  try {
    return readTagKey(bytes);
  } finally {
    zeroize(bytes);
  }
}

function readAnswer(context: CliContext, { headers }: VerifyResponseFlags, answer: string): ReceivedAnswer {
  const bytes = read(context, answer);
  return headers === undefined ? readWholeResponse(bytes) : readResponse(read(context, headers), bytes);
}

/** @throws SourceError; CliError CLI_USAGE for a file that is larger than is read */
function read(context: CliContext, path: string, bytesMax: number = INTEGRITY_LIMITS.fileBytesMax): Uint8Array {
  const bytes = context.services.storage.read(context.toAbsolute(path));
  if (bytes.length > bytesMax) throw new CliError('CLI_USAGE', { message: `A file has more than ${bytesMax} bytes.` });
  return bytes;
}

const WHAT = {
  tag: 'integrity tag, for who has the key',
  signature: 'signature of the gateway',
  proof: 'row of the log under a signed checkpoint',
} as const;

function toText(report: IntegrityReport, style: Parameters<typeof toPairs>[1]): string {
  const { isVerified, findings, marks, requestId, place } = report;
  const pairs = toPairs(
    [
      ['request', requestId ?? '-'],
      ['log', place === null ? '-' : `${place.stream}, row ${place.index}`],
      ...marks.map(({ kind, keyId, createdMs, outcome }): [string, string] => [
        outcome,
        `${WHAT[kind]}; key ${keyId}, ${new Date(createdMs).toISOString()}`,
      ]),
    ],
    style,
  );
  const lines = findings.map(({ code }) => `  ${code}  ${ERRORS[code].message}\n`).join('');
  return `${isVerified ? 'verified' : 'not verified'}\n${pairs}${lines}`;
}
