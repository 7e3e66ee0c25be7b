/** Inference servers behind the gateway, and the models that are asked of them. */
import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import { UPSTREAM_LIMITS } from '../../core/limits/upstream.ts';
import { findDeclared } from '../tensors/declared.ts';
import type { ModelSignature, ProtocolName, TensorSignature } from '../ports.ts';
import { name, path } from './words.ts';

export const PROTOCOL_NAMES = ['oip', 'oip-grpc', 'openai', 'torchserve', 'vertex', 'sagemaker', 'plain'] as const;

const networks = z
  .array(
    z
      .string()
      .max(64)
      .regex(/^[0-9a-fA-F.:]+\/\d{1,3}$/),
  )
  .max(UPSTREAM_LIMITS.networksMax)
  .default([]);

const tls = z.strictObject({
  /** PEM: who signs the server's certificate; Node's own authorities without it. */
  authority: path.optional(),
  /** PEM: what the gateway shows of itself, and its key, not encrypted. */
  cert: path.optional(),
  key: path.optional(),
  serverName: z.string().min(1).max(253).optional(),
  /** SHA-256 of public keys (SPKI) in hex, of which the server's must be one. */
  pins: z
    .array(z.string().regex(/^[0-9a-f]{64}$/))
    .max(UPSTREAM_LIMITS.pinsMax)
    .default([]),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.3'),
});

const ms = (most: number, usual: number) => z.int().min(10).max(most).default(usual);

const limits = z
  .strictObject({
    /** Requests at a time, and those that wait for one of them to end. */
    concurrency: z.int().min(1).max(4096).default(UPSTREAM_LIMITS.seatsMax),
    waiting: z.int().min(0).max(100_000).default(UPSTREAM_LIMITS.waitingMax),
    waitTimeoutMs: ms(600_000, UPSTREAM_LIMITS.waitTimeoutMs),
    connectTimeoutMs: ms(600_000, UPSTREAM_LIMITS.connectTimeoutMs),
    headersTimeoutMs: ms(3_600_000, UPSTREAM_LIMITS.headersTimeoutMs),
    idleTimeoutMs: ms(3_600_000, UPSTREAM_LIMITS.idleTimeoutMs),
    answerTimeoutMs: ms(3_600_000, UPSTREAM_LIMITS.answerTimeoutMs),
    streamTimeoutMs: ms(86_400_000, UPSTREAM_LIMITS.streamTimeoutMs),
    streamBytesMax: z.int().min(1).max(GATEWAY_LIMITS.bodyBytesCeiling).default(UPSTREAM_LIMITS.streamBytesMax),
  })
  .prefault({});

/** Of a path of the server, without a query; beginning with "/". */
const route = z
  .string()
  .max(256)
  .regex(/^(\/[A-Za-z0-9_~:-][A-Za-z0-9._~:-]*)+$/);

const readiness = z
  .strictObject({
    /** Asked instead of the protocol's own question; status 200 is "ready". */
    path: route.optional(),
    intervalMs: z.int().min(100).max(3_600_000).default(5000),
    timeoutMs: z.int().min(10).max(600_000).default(2000),
    /** So many bad answers in a row, and a server that was ready is not. */
    failures: z.int().min(1).max(100).default(3),
  })
  .prefault({});

const tensor = z
  .strictObject({
    name: z.string().min(1).max(GATEWAY_LIMITS.nameCharsMax),
    datatype: z.string().max(16),
    /** -1: any length; the first axis is the batch when it is -1. */
    shape: z.array(z.int().min(-1)).max(GATEWAY_LIMITS.rankMax),
  })
  .transform((declared, issue): TensorSignature => {
    const found = findDeclared(declared);
    if (found !== null) return found;
    issue.addIssue({ code: 'custom', message: 'no datatype of the Open Inference Protocol' });
    return z.NEVER;
  });

const tensors = z.array(tensor).min(1).max(GATEWAY_LIMITS.tensorsMax);

/** `server`: as it tells itself, when the gateway asks for the first time. */
const signature = z.union([
  z.literal('server'),
  z.strictObject({ inputs: tensors, outputs: tensors }).transform((value): ModelSignature => value),
]);

const model = z.strictObject({
  /** As callers name it, and as the server does: the same without it. */
  name,
  upstreamName: z
    .string()
    .min(1)
    .max(GATEWAY_LIMITS.nameCharsMax)
    .regex(/^[A-Za-z0-9_@+~/][A-Za-z0-9_@+~.:,=/-]*$/)
    .optional(),
  /** That callers may ask for; the server chooses where they name none. */
  versions: z.array(name).max(64).default([]),
  signature: signature.optional(),
});

const openai = z
  .strictObject({
    /** Members of requests beside those of OpenAI's API. */
    members: z
      .array(z.string().regex(/^[a-z0-9_]{1,64}$/))
      .max(64)
      .default([]),
    /** Tokens of one answer: more are refused, and said to the server where the caller says nothing. */
    maxTokens: z.int().min(1).max(10_000_000).optional(),
    stream: z.boolean().default(true),
    /** Messages may name addresses of pictures and the like, which the server then asks; else they bring them along. */
    remoteMedia: z.boolean().default(false),
  })
  .prefault({});

export const upstreamSchema = z.strictObject({
  name,
  /** `https://HOST[:PORT][/PATH]`; plaintext to this machine, or where it is allowed. */
  url: z
    .string()
    .max(2048)
    .regex(/^https?:\/\/[^\s@?#]+$/, 'https://HOST[:PORT][/PATH], without user, query or fragment'),
  protocol: z.enum(PROTOCOL_NAMES),
  allowPlaintext: z.boolean().default(false),
  tls: tls.optional(),
  /** Networks as ADDRESS/BITS. */
  addresses: z.strictObject({ allow: networks, deny: networks }).prefault({}),
  /** File of mode 600 whose content is sent as `authorization: Bearer …`. */
  tokenFile: path.optional(),
  limits,
  readiness,
  /** Parameters of the Open Inference Protocol that are handed on beside those of the binary extension; custom attributes of SageMaker. */
  parameters: z.array(z.string().min(1).max(64)).max(64).default([]),
  openai,
  /** Path of the server for inference (vertex, plain). */
  path: route.optional(),
  models: z.array(model).min(1).max(256),
});

export type UpstreamConfig = z.infer<typeof upstreamSchema>;
export type UpstreamModelConfig = UpstreamConfig['models'][number];

/** What is wrong with a configuration that serves nothing, whatever else is. */
export function findNothing(input: unknown): readonly string[] {
  const { models, upstreams } = (input ?? {}) as { readonly models?: unknown; readonly upstreams?: unknown };
  const isNone = (member: unknown): boolean => member === undefined || (Array.isArray(member) && member.length === 0);
  return isNone(models) && isNone(upstreams) ? ['models: none, and no upstreams'] : [];
}

interface Served {
  readonly models: readonly { readonly name: string }[];
  readonly upstreams: readonly UpstreamConfig[];
  readonly protocols?: readonly ProtocolName[] | undefined;
}

/** @throws GatewayError GATEWAY_CONFIG_MALFORMED with everything that does not fit together */
export function assertUpstreams({ models, upstreams, protocols }: Served): void {
  const at = [...findNothing({ models, upstreams })];
  const held = new Set(models.map((one) => one.name));
  const [names, asked] = [new Set<string>(), new Set<string>()];
  upstreams.forEach((upstream, index) => {
    const place = `upstreams.${index}`;
    if (names.has(upstream.name)) at.push(`${place}.name: ${upstream.name} twice`);
    names.add(upstream.name);
    if (protocols?.includes(upstream.protocol) === false) {
      at.push(`${place}.protocol: ${upstream.protocol} is not among the protocols`);
    }
    if ((upstream.tls?.cert === undefined) !== (upstream.tls?.key === undefined)) at.push(`${place}.tls: cert and key`);
    if (upstream.protocol === 'oip-grpc' && upstream.readiness.path !== undefined) {
      at.push(`${place}.readiness: gRPC has no paths`);
    }
    for (const one of upstream.models) at.push(...findFaults(upstream, one, { held, asked, place }));
  });
  if (at.length > 0) throw new GatewayError('GATEWAY_CONFIG_MALFORMED', { fields: { at: at.slice(0, 16) } });
}

function findFaults(
  { protocol }: UpstreamConfig,
  one: UpstreamModelConfig,
  seen: { readonly held: ReadonlySet<string>; readonly asked: Set<string>; readonly place: string },
): readonly string[] {
  const at: string[] = [];
  const id = `${one.name} ${protocol}`;
  if (seen.held.has(one.name)) at.push(`${seen.place}.models: ${one.name} is held by the gateway itself, too`);
  if (seen.asked.has(id)) at.push(`${seen.place}.models: ${id} twice`);
  seen.asked.add(id);
  const tells = protocol === 'oip' || protocol === 'oip-grpc';
  if (one.signature === 'server' && !tells) at.push(`${seen.place}.models: servers of ${protocol} tell no signature`);
  return at;
}

/** Those that were named; else those that the models and the servers behind are asked by. */
export function toProtocols({ models, upstreams, protocols }: Served): readonly ProtocolName[] {
  if (protocols !== undefined) return protocols;
  const own: readonly ProtocolName[] = models.length > 0 ? ['oip', 'oip-grpc'] : [];
  return [...new Set([...own, ...upstreams.map(({ protocol }) => protocol)])];
}

/** @param at makes a path that counts from the folder of the configuration absolute */
export function toAbsoluteUpstreams(
  upstreams: readonly UpstreamConfig[],
  at: (path: string) => string,
): UpstreamConfig[] {
  const maybe = <K extends string>(key: K, file: string | undefined): Partial<Record<K, string>> =>
    file === undefined ? {} : ({ [key]: at(file) } as Record<K, string>);
  return upstreams.map((upstream) => {
    const files = upstream.tls;
    const covered =
      files === undefined
        ? {}
        : {
            tls: {
              ...files,
              ...maybe('authority', files.authority),
              ...maybe('cert', files.cert),
              ...maybe('key', files.key),
            },
          };
    return { ...upstream, ...covered, ...maybe('tokenFile', upstream.tokenFile) };
  });
}
