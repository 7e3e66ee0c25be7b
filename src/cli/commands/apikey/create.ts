/** `modelward apikey create`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CliError } from '../../../core/errors.ts';
import { API_KEY_LIMITS as CAPS, RATE_LIMITS } from '../../../core/limits/api-keys.ts';
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import { type ApiKeyTerms, createApiKey } from '../../../workflows/gateway/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toDuration } from '../license/flags.ts';
import { toCountUpTo, toCountWithin } from '../values.ts';
import { addDeliveryOptions, type DeliveryFlags, deliverKey } from './delivery.ts';
import { addDeskOptions, type DeskFlags, withDesk } from './flags.ts';

interface CreateFlags extends DeskFlags, DeliveryFlags {
  readonly name: string;
  readonly tenant: string;
  readonly model?: readonly string[];
  readonly scope?: readonly string[];
  readonly network?: readonly string[];
  readonly perMinute: number;
  readonly burst: number;
  readonly daily?: number;
  readonly lifetime?: number;
  readonly concurrency: number;
  readonly bodyMax?: number;
  readonly batchMax?: number;
  readonly from?: number;
  readonly valid: number;
  readonly topK?: number;
  readonly decimals?: number;
  readonly labelOnly?: boolean;
  readonly hide?: readonly string[];
}

export function defineCreate(command: Command, host: CommandHost): void {
  command
    .description(
      'Draws an API key. Nothing is allowed that no scope names. The key is written to a file that only you can read; the table has its hash, the ledger an entry of its terms.',
    )
    .requiredOption('--name <text>', 'whose key it is, for you')
    .option('--tenant <name>', 'customer that it belongs to; budgets can be set for all keys of one', 'default')
    .option('--model <name...>', 'may ask this model and read what it takes; "*" for all')
    .option(
      '--scope <scope...>',
      'single rights: infer:MODEL, meta:MODEL, keys:read, keys:write, audit:read, metrics:read, admin',
    )
    .option('--network <cidr...>', 'valid from these networks alone, such as 203.0.113.0/24')
    .option('--per-minute <count>', 'requests a minute', toCountUpTo(CAPS.perMinuteMax), RATE_LIMITS.defaultPerMinute)
    .option('--burst <count>', 'requests that may come at once', toCountUpTo(CAPS.burstMax), RATE_LIMITS.defaultBurst)
    .option('--daily <items>', 'items (rows of a batch) a day, UTC', toCountWithin(0, CAPS.itemsMax))
    .option('--lifetime <items>', 'items in all', toCountWithin(0, CAPS.itemsMax))
    .option(
      '--concurrency <count>',
      'requests at work at a time',
      toCountUpTo(CAPS.concurrencyMax),
      RATE_LIMITS.defaultConcurrency,
    )
    .option('--body-max <bytes>', "largest body (default: the gateway's)", toCountUpTo(GATEWAY_LIMITS.bodyBytesCeiling))
    .option('--batch-max <items>', "most items of one request (default: the gateway's)", toCountUpTo(CAPS.batchMax))
    .option('--from <time>', 'valid from then on, such as 2026-12-01T00:00:00Z', toTime)
    .addOption(
      new Option('--valid <time>', 'how long, such as 90d; 0 for no end')
        .argParser(toDuration)
        .default(365 * 86_400, '365d'),
    );
  addOutputOptions(command);
  addDeliveryOptions(command);
  addDeskOptions(command);
  addExamples(command, [
    {
      command: 'modelward apikey create --name "Acme, production" --tenant acme --model fraud --daily 20000',
      summary: 'the key is in k_….apikey.json',
    },
    {
      command:
        'modelward apikey create --name trial --model fraud --label-only --per-minute 10 --lifetime 500 --valid 14d',
      summary: 'classes without scores, 500 of them, for two weeks',
    },
  ]);
  onAction<CreateFlags>(host, command, (context, flags) => {
    const terms = toTerms(flags, context.services.clock.nowMs());
    return deliverKey(context, flags, (deliver) =>
      withDesk(context, flags, (desk) => createApiKey(desk, terms, deliver)),
    );
  });
}

function addOutputOptions(command: Command): void {
  command
    .option('--top-k <count>', 'answers keep the largest scores of each row, so many', toCountUpTo(1_000_000))
    .option('--decimals <count>', 'scores are rounded to so many decimal places', toCountWithin(0, 15))
    .option('--label-only', 'answers are classes without scores')
    .option('--hide <output...>', 'outputs that are never answered, such as logits');
}

function toTerms(flags: CreateFlags, nowMs: number): ApiKeyTerms {
  const ofModels = (flags.model ?? []).flatMap((model) => [`infer:${model}`, `meta:${model}`]);
  const scopes = [...new Set([...ofModels, ...(flags.scope ?? [])])];
  if (scopes.length === 0) {
    throw new CliError('CLI_USAGE', { message: 'A key without scopes opens nothing: name a --model or a --scope.' });
  }
  const { name, tenant, perMinute, burst, concurrency } = flags;
  const fromMs = flags.from ?? nowMs;
  return {
    ...{ name, tenant, scopes, networks: flags.network ?? [] },
    limits: {
      ...{ perMinute, burst, concurrency },
      daily: flags.daily ?? null,
      lifetime: flags.lifetime ?? null,
      bodyBytesMax: flags.bodyMax ?? null,
      batchMax: flags.batchMax ?? null,
    },
    output: {
      topK: flags.topK ?? null,
      decimals: flags.decimals ?? null,
      isLabelOnly: flags.labelOnly === true,
      hidden: flags.hide ?? [],
    },
    notBeforeMs: flags.from ?? null,
    expiresMs: flags.valid === 0 ? null : fromMs + flags.valid * 1000,
  };
}

/** RFC 3339 with a zone: a time without one would be that of whichever machine reads it. */
function toTime(text: string): number {
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const timeMs = Date.parse(text);
  if (!isTime || !Number.isFinite(timeMs) || timeMs < 0) {
    throw new InvalidArgumentError('Not a time such as 2026-12-01T00:00:00Z.');
  }
  return timeMs;
}
