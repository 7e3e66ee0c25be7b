/** The data path in one process, with every protocol, models that are held here, keys as they are kept, and the real front. */
import { generateKeyPairSync } from 'node:crypto';
import { afterEach } from 'vitest';
import { type HttpFront, type HttpFrontLimits, openHttpFront } from '../../../src/adapters/http-front/index.ts';
import { HTTP_FRONT_LIMITS } from '../../../src/core/limits/http-front.ts';
import { createIdentifier, createKeyHasher, KeyIndex } from '../../../src/gateway/identity/index.ts';
import { createTokenVerifier } from '../../../src/gateway/identity/token.ts';
import { createAddressLimiter, createPermits, type Permits } from '../../../src/gateway/limits/index.ts';
import { createGateway } from '../../../src/gateway/pipeline/pipeline.ts';
import type { LogRow, ModelSignature, ServedModel } from '../../../src/gateway/ports.ts';
import { createEmbeddedTarget } from '../../../src/gateway/targets/embedded.ts';
import { LIMITS, makeKey, WHOLE_OUTPUT } from '../../fakes/api-keys.ts';
import { makeBareParts, readNowUs } from '../bare-parts.ts';
import { createEveryProtocol } from './walk.ts';

export const MODEL = 'm';
const SIGNATURE: ModelSignature = {
  inputs: [{ name: 'x', dtype: 'f32', shape: [null, 2] }],
  outputs: [{ name: 'y', dtype: 'f32', shape: [null, 2] }],
};

export interface Whole {
  readonly front: HttpFront;
  readonly permits: Permits;
  readonly rows: LogRow[];
  /** Of the gateway or its front: none of them may come from what a caller sends. */
  readonly faults: unknown[];
  readonly apiKey: string;
  /** Settles when nothing is under way. */
  readonly quiet: () => Promise<void>;
}

type Run = (...given: Parameters<ServedModel['run']>) => ReturnType<ServedModel['run']>;

/** Gives back what came in. */
const echo: Run = ([{ dtype, shape, data }]) => Promise.resolve([{ name: 'y', dtype, shape, data }]);

export interface WholeSetting {
  readonly limits?: Partial<HttpFrontLimits>;
  readonly run?: Run;
  /** Requests at work at a time. */
  readonly concurrency?: number;
}

/** Gateways that end with the test. */
export function useWhole(): (setting?: WholeSetting) => Promise<Whole> {
  const fronts: HttpFront[] = [];
  afterEach(async () => {
    await Promise.all(fronts.splice(0).map((front) => front.close()));
  });
  return async ({ limits, run = echo, concurrency = 64 } = {}) => {
    const [rows, faults, permits]: [LogRow[], unknown[], Permits] = [[], [], createPermits()];
    const { identifier, apiKey } = createIdentity(concurrency);
    const served: ServedModel = { name: MODEL, version: '1', signature: SIGNATURE, isReady: true, run };
    const handler = createGateway({
      ...makeBareParts(rows),
      protocols: createEveryProtocol(MODEL),
      targets: new Map([
        [MODEL, createEmbeddedTarget({ model: MODEL, list: () => [served], answerBytesMax: 1 << 20, hashKey: null })],
      ]),
      addresses: createAddressLimiter({ policy: { perMinute: 6_000_000, burst: 1_000_000 }, nowUs: readNowUs }),
      identifier,
      permits,
      onFault: (error) => faults.push(error),
    });
    const front = await openHttpFront({
      ...{ host: '127.0.0.1', port: 0, tls: null, limits: { ...HTTP_FRONT_LIMITS, ...limits }, handler },
      onTrouble: (error) => faults.push(error),
    });
    fronts.push(front);
    const quiet = async (): Promise<void> => {
      while (permits.count + front.stats.requestsNow + front.stats.bodiesBytesNow > 0) {
        await new Promise((done) => setTimeout(done, 2));
      }
    };
    return { front, permits, rows, faults, apiKey, quiet };
  };
}

/** One API key, and an issuer of tokens whose keys nobody has. */
function createIdentity(concurrency: number) {
  const hasher = createKeyHasher(null);
  const keys = new KeyIndex(hasher);
  keys.trustUntil(Infinity);
  const limits = { ...LIMITS, perMinute: 600_000, burst: 100_000, concurrency };
  const { text: apiKey, record } = makeKey(hasher, { limits, scopes: [`infer:${MODEL}`, `meta:${MODEL}`] });
  keys.put(record);
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
  const jwks = Buffer.from(JSON.stringify({ keys: [{ ...jwk, kid: 'k1', alg: 'ES256', use: 'sig' }] }));
  const tokens = createTokenVerifier({
    issuers: [
      {
        ...{ name: 'corp', issuer: 'https://id.example', audiences: ['modelward'], algorithms: ['RS256', 'ES256'] },
        ...{ jwksUri: 'https://id.example/keys', type: null, tenant: { claim: ['org'] }, grants: [] },
        ...{ scopesFrom: null, limits: LIMITS, output: WHOLE_OUTPUT },
      },
    ],
    clock: { nowMs: () => Date.now() },
    toLink: () => ({ get: () => Promise.resolve(jwks) }),
  });
  const clock = { nowMs: () => Date.now() };
  return { identifier: createIdentifier({ keys, tokens, certificates: null, clock }), apiKey };
}
