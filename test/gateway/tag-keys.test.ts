/** The key of an integrity tag is one API key's alone: whoever asks in between, an answer is shown whole by its caller's key and by no other. */
import { hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ModelwardVerifyError,
  type VerifyAnswerOptions,
  verifyAnswer,
} from '../../clients/typescript/modelward-verify.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';
import {
  createAnswerSealer,
  createKeyHasher,
  deriveTagKey,
  KeyIndex,
  verifyInBand,
  verifyResponse,
} from '../../src/gateway/index.ts';
import type { Principal } from '../../src/gateway/ports.ts';
import { makeKey } from '../fakes/api-keys.ts';
import { toSealed } from './integrity-cases.ts';

const hasher = createKeyHasher(null);

interface Customer {
  /** As the file of `apikey create` has them. */
  readonly tag: { readonly keyId: string; readonly key: Uint8Array };
  readonly principal: Principal;
}

/** Three customers as a gateway knows them by the keys that they show; the third has two secrets of a rotation. */
function createCustomers(): readonly Customer[] {
  const index = new KeyIndex(hasher);
  index.trustUntil(Infinity);
  const [a, b, old, fresh] = Array.from({ length: 4 }, () => makeKey(hasher));
  index.put(a.record);
  index.put(b.record);
  index.put({ ...old.record, secrets: [...old.record.secrets, ...fresh.record.secrets] });
  const shown = [
    [a.text, a.record.id],
    [b.text, b.record.id],
    [old.text, old.record.id],
    [fresh.text, old.record.id],
  ] as const;
  return shown.map(([text, keyId]) => {
    const found = index.identify(text, '192.0.2.7', 1000);
    if (!found.isKnown) throw new TypeError('a key that was put is known');
    return { tag: { keyId, key: deriveTagKey(text, keyId) }, principal: found.principal };
  });
}

const findCode = (options: VerifyAnswerOptions): string | null => {
  try {
    verifyAnswer(options);
    return null;
  } catch (error) {
    if (error instanceof ModelwardVerifyError) return error.code;
    throw error;
  }
};

test('it is HKDF-SHA-256 of what is secret in the key, with its id as salt, as node:crypto derives it', () => {
  const { text, record } = makeKey(hasher);
  const secret = text.replace(/^mwk_live_/, '').slice(0, -6);
  expect(secret).toHaveLength(30);
  const derived = hkdfSync('sha256', secret, record.id, 'modelward integrity tag v1', 32);
  expect(Buffer.from(deriveTagKey(text, record.id))).toEqual(Buffer.from(derived));
});

interface Given {
  readonly options: Omit<VerifyAnswerOptions, 'keys'>;
  readonly integrity: string;
  readonly outputHash: Uint8Array;
}

/** What each way of checking finds of an answer with this key: the library's two, and the helper's. */
function check({ options, integrity, outputHash }: Given, tag: Customer['tag']): readonly unknown[] {
  const { method, path, body } = options.request;
  const request = { method, path, body: Buffer.from(body) };
  const common = { request, keys: { tag, publicKey: null }, nowMs: 1000 * options.nowSec!, maxAgeMs: 60_000 };
  const { status, headers } = options;
  const answer = { status, headers: new Map(headers as [string, string][]), body: Buffer.from(options.body) };
  return [
    verifyResponse({ ...common, answer }).isVerified,
    verifyInBand({ ...common, integrity, outputHash }).isVerified,
    findCode({ ...options, keys: { tag } }),
  ];
}

test('answers to callers who ask by turns are verified by the key of who asked, and by no other, under whatever id', () => {
  const customers = createCustomers();
  // One sealer for all, as in a gateway: what it remembers of one caller must not get into answers to another.
  const sealer = createAnswerSealer({ signer: null, isAlwaysSigned: false });
  const give = (who: Customer, second: number, index: number): Given => {
    const request = toSealed(who.principal, 1000 * second);
    const body = `{"outputs":[${index}]}`;
    const place = { stream: 'a', index };
    const headers = sealer.toHeaders(request, { status: 200, bodySha256: sha256(utf8(body)), place });
    const outputHash = sha256(utf8(body));
    const asked = { method: request.method, path: request.path, body: '{"inputs":[{"name":"x","shape":[1,2]}]}' };
    const options = {
      request: asked,
      status: 200,
      headers: [...headers, ['x-request-id', request.requestId]] as const,
    };
    const { integrity } = sealer.toParameters(request, outputHash)!;
    return { options: { ...options, body, nowSec: second }, integrity, outputHash };
  };
  const turn = fc.record({ who: fc.constantFrom(...customers), second: fc.integer({ min: 5, max: 7 }) });
  const property = fc.property(fc.array(turn, { minLength: 4, maxLength: 12 }), (turns) => {
    for (const [index, { who, second }] of turns.entries()) {
      const given = give(who, second, index);
      expect(check(given, who.tag)).toEqual([true, true, null]);
      for (const { tag } of customers.filter((customer) => customer !== who)) {
        const isTold = expect.stringMatching(/^INTEGRITY_(KEY_OTHER|TAG_WRONG)$/) as unknown;
        expect(check(given, tag)).toEqual([false, false, isTold]);
        expect(check(given, { ...tag, keyId: who.tag.keyId })).toEqual([false, false, 'INTEGRITY_TAG_WRONG']);
      }
    }
  });
  fc.assert(property, { numRuns: 40, seed: 20261121 });
});
