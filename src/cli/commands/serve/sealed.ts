/** Serves one sealed model with everything that is needed made on the way: certificates, a first key, a request to try. */
import { join } from 'node:path';
import type { ExitCode } from '../../../core/errors.ts';
import { readNpyValue } from '../../../fidelity/index.ts';
import { readGatewayConfig, toPrincipalLimits, createKeyHasher } from '../../../gateway/index.ts';
import { openFileSource } from '../../../source/index.ts';
import { createApiKey, initTls, type IssuedApiKey, toApiKeyFile } from '../../../workflows/gateway/index.ts';
import type { Session } from '../../../workflows/session.ts';
import { makeParent, writeBytes } from '../../../workflows/write-bytes.ts';
import { utf8 } from '../../../core/bytes.ts';
import { openTlsAuthority } from '../../compose.ts';
import { type CliContext, withSession } from '../../context.ts';
import { openKeyTable, toHomeKeyTable } from './compose.ts';
import { serve, type ServedGateway } from './run.ts';

export interface SealedServing {
  /** As callers name it. */
  readonly name: string;
  readonly sealedPath: string;
  /** Absolute path of the folder for certificates, key and request. */
  readonly folder: string;
  readonly port: number;
  /** npy file of inputs; the first one is the request to try. */
  readonly imagesPath: string;
}

const KEY_DAYS = 30;
const DAY_MS = 86_400_000;
const LIMITS = {
  ...{ perMinute: 120, burst: 20, daily: null, lifetime: null, concurrency: 16 },
  ...{ bodyBytesMax: null, batchMax: null },
};

/** Serves until it is told to stop. Each time, certificates and a key are made anew: they are for trying it out. */
export async function serveSealed(context: CliContext, serving: SealedServing): Promise<ExitCode> {
  const { name, sealedPath, folder, port } = serving;
  const { services, ui } = context;
  ui.note('\n6. Serve the sealed copy over TLS 1.3, to callers with a key');
  const out = join(folder, 'tls');
  makeParent(services.storage, join(out, 'ca.pem'));
  const options = { out, names: ['localhost', '127.0.0.1', '::1'], clients: [], trustDomain: null };
  const tls = await initTls(services, await openTlsAuthority(), { ...options, passphrase: null, force: true });
  const listen = { port, tls: { cert: tls.server.certificate, key: tls.server.privateKey } };
  const config = readGatewayConfig({ listen, models: [{ name, file: sealedPath }] });
  return withSession(context, async (session) => {
    const files = toFiles(folder);
    await makeKey({ context, session, files, model: name });
    return serve({
      ...{ context, session, config, flags: {}, readConfig: () => Promise.resolve(config) },
      onReady: (url, gateway) => {
        writeRequest(context, files, { ...serving, gateway });
        ui.note(toHint(files, { url, name, authority: tls.authority.certificate }));
      },
    });
  });
}

interface Files {
  readonly key: string;
  readonly header: string;
  readonly request: string;
}

function toFiles(folder: string): Files {
  return {
    key: join(folder, 'api-key.json'),
    header: join(folder, 'api-key.header'),
    request: join(folder, 'request.json'),
  };
}

/** The key goes into files of mode 600: one with all of it, one that curl takes as a header. */
async function makeKey(at: {
  readonly context: CliContext;
  readonly session: Session;
  readonly files: Files;
  readonly model: string;
}): Promise<void> {
  const { context, session, files, model } = at;
  const { services } = context;
  const store = await openKeyTable(services, toHomeKeyTable(services));
  const { clock, random } = services;
  const desk = { store, hasher: createKeyHasher(null), recorder: session.recorder, clock, random };
  const terms = {
    ...{ name: 'tour', tenant: 'default', scopes: [`infer:${model}`, `meta:${model}`], networks: [] },
    limits: toPrincipalLimits(LIMITS),
    output: { topK: null, decimals: null, isLabelOnly: false, hidden: [] },
    ...{ notBeforeMs: null, expiresMs: clock.nowMs() + KEY_DAYS * DAY_MS },
  };
  try {
    await createApiKey(desk, terms, (issued) => {
      writeKey(context, files, issued);
    });
  } finally {
    await store.close();
  }
}

function writeKey({ services: { storage } }: CliContext, files: Files, issued: IssuedApiKey): void {
  writeBytes(storage, { path: files.key, mode: 0o600, bytes: toApiKeyFile(issued) });
  writeBytes(storage, { path: files.header, mode: 0o600, bytes: utf8(`authorization: Bearer ${issued.apiKey}\n`) });
}

/** The first input of the file, as the Open Inference Protocol has it. */
function writeRequest(
  { services: { storage } }: CliContext,
  files: Files,
  { name, imagesPath, gateway }: SealedServing & { readonly gateway: ServedGateway },
): void {
  const input = gateway.models!.find(name, null)!.signature.inputs[0];
  const shape = input.shape.map((length) => length ?? 1);
  const count = shape.reduce((product, length) => product * length, 1);
  const { data } = readNpyValue(openFileSource(imagesPath), 'f32');
  const values = Array.from({ length: count }, (_, at) =>
    Buffer.from(data.buffer, data.byteOffset).readFloatLE(4 * at),
  );
  const request = { inputs: [{ name: input.name, datatype: 'FP32', shape, data: values }] };
  writeBytes(storage, { path: files.request, mode: 0o644, bytes: utf8(`${JSON.stringify(request)}\n`) });
}

function toHint(
  { key, header, request }: Files,
  { url, name, authority }: { readonly url: string; readonly name: string; readonly authority: string },
): string {
  const path = `/v2/models/${name}/infer`;
  return [
    '',
    'Ask it, from another terminal:',
    '',
    `  curl --cacert ${authority} -H @${header} -H 'content-type: application/json' --data-binary @${request} -i ${url}${path} > answer.http`,
    `  modelward verify-response answer.http --request-body ${request} --path ${path} --key ${key}`,
    '',
    'Ctrl-C ends it.',
  ].join('\n');
}
