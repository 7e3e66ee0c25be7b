/** Marks of answers: the vectors of RFC 9421, ours, and both helpers of clients against the same ones. */
import { execFileSync } from 'node:child_process';
import { createHmac, createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  hashTensors as hashByHelper,
  ModelwardVerifyError,
  readKeyFile,
  StreamVerifier,
  type VerifyAnswerOptions,
  verifyAnswer,
  verifyInBand as verifyInBandByHelper,
} from '../../clients/typescript/modelward-verify.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';
import { createAnswerSealer, type IntegrityReport, verifyInBand, verifyResponse } from '../../src/gateway/index.ts';
import { findSignatureBase } from '../../src/gateway/integrity/signature-base.ts';
import { findDictionary, isInnerList, toInnerListText, toItemText } from '../../src/gateway/integrity/structured.ts';
import { readTagKey } from '../../src/workflows/gateway/index.ts';
import { describeWhere, hasProgram } from '../shared-data.ts';
import {
  type IntegrityCase,
  type IntegrityVectors,
  makeVectors,
  rfc,
  signer,
  toPrincipal,
  toSealed,
  vectorsFolder,
} from './integrity-cases.ts';

const vectors = JSON.parse(readFileSync(join(vectorsFolder, 'answers.json'), 'utf8')) as IntegrityVectors;
const tagText = JSON.stringify(vectors.tagKey);

interface OipBody {
  readonly parameters: { readonly integrity: string };
  readonly outputs: readonly { name: string; shape: number[]; datatype: string; data: unknown[] }[];
}

describe('RFC 9421', () => {
  test.each(rfc.cases)('$name', ({ label, input, base, signature }) => {
    const covered = findDictionary(input)?.get(label);
    const value = findDictionary(signature)?.get(label);
    if (covered === undefined || !isInnerList(covered) || value === undefined || isInnerList(value)) throw new Error();
    expect(`${label}=${toInnerListText(covered)}`).toBe(input);
    expect(findSignatureBase(covered, (name) => rfc.request[name] ?? null)).toBe(base);
    const made = input.includes('ed25519')
      ? sign(
          null,
          utf8(base),
          createPrivateKey({ key: Buffer.from(rfc.ed25519PrivateKey, 'base64'), format: 'der', type: 'pkcs8' }),
        )
      : createHmac('sha256', Buffer.from(rfc.sharedSecret, 'base64')).update(base).digest();
    expect(`${label}=${toItemText({ value: new Uint8Array(made), parameters: new Map() })}`).toBe(signature);
  });

  test.each([
    ['a component that the message has not', '("date")'],
    ['a component that is there twice', '("@method" "@method")'],
    ['a parameter that is not known', '("@method";sf)'],
    ['a component that is no string', '(@method)'],
  ])('no base with %s', (_name, text) => {
    const covered = findDictionary(`a=${text.replace('(@method)', '(method)')}`)?.get('a');
    if (covered === undefined || !isInnerList(covered)) throw new Error();
    expect(findSignatureBase(covered, (name) => (name === '@method' ? 'GET' : null))).toBeNull();
  });
});

describe('structured fields (RFC 9651)', () => {
  test.each([
    ['', 0],
    ['a', 1],
    ['a=1, b;x;y=?0, c=("x" t:k;q=-5 :AA==:);z="\\"\\\\"', 3],
    ['a=1,\t b=2', 2],
    ['a=1, a=2', 1],
  ])('takes %j', (text, size) => {
    expect(findDictionary(text)?.size).toBe(size);
  });

  test.each([
    'a=',
    'A=1',
    'a=1,',
    ',a',
    'a=1 b=2',
    'a=("x""y")',
    'a=("x"',
    'a="\u00e9"',
    'a=1.5',
    'a=:A:',
    'a=:AB==:',
    'a="\\x"',
    `a=${'1'.repeat(16)}`,
    'a=@1',
    'a;B',
  ])('does not take %j', (text) => {
    expect(findDictionary(text)).toBeNull();
  });

  test('what is written is read back', () => {
    const bare = fc.oneof(
      fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }),
      fc.stringMatching(/^[\x20-\x7e]*$/),
      fc.boolean(),
      fc.uint8Array({ maxLength: 40 }),
      fc.stringMatching(/^[A-Za-z*][A-Za-z0-9:/.~-]*$/).map((token) => ({ token })),
    );
    const parameters = fc
      .dictionary(fc.stringMatching(/^[a-z*][a-z0-9_.*-]*$/), bare)
      .map((row) => new Map(Object.entries(row)));
    const list = fc.record({ items: fc.array(fc.record({ value: bare, parameters })), parameters });
    fc.assert(
      fc.property(list, (written) => {
        const read = findDictionary(`a=${toInnerListText(written)}`)!.get('a');
        expect(read).toEqual(written);
      }),
      { numRuns: 200 },
    );
  });
});

describe('vectors', () => {
  test('are what the sealer makes', () => {
    expect(makeVectors()).toEqual(vectors);
  });

  test.each(vectors.cases)('$name: the library finds $expect', (one) => {
    const report = check(one);
    expect(report.findings.map(({ code }) => code).at(0) ?? null).toBe(one.expect);
    expect(report.isVerified).toBe(one.expect === null);
  });

  test.each(vectors.cases)('$name: the TypeScript helper finds $expect', (one) => {
    expect(checkByHelper(one)).toBe(one.expect);
  });
});

function check(one: IntegrityCase): IntegrityReport {
  const { request, status, headers, keys } = one;
  const body = utf8(one.body);
  const given = {
    tag: keys.tag ? readTagKey(utf8(tagText)) : null,
    publicKey: keys.publicKey ? signer.publicKey : null,
  };
  const time = { nowMs: one.nowSec * 1000, maxAgeMs: one.maxAgeSec === null ? null : one.maxAgeSec * 1000 };
  const asked = { ...request, body: utf8(request.body) };
  if (one.kind !== 'in-band') {
    return verifyResponse({
      request: asked,
      answer: { status, headers: new Map(headers), body },
      keys: given,
      ...time,
    });
  }
  const { parameters, outputs } = JSON.parse(one.body) as OipBody;
  const outputHash = hashByHelper(outputs);
  return verifyInBand({ integrity: parameters.integrity, request: asked, outputHash, keys: given, ...time });
}

const STREAM_HEADERS = [['content-type', 'text/event-stream']] as const;

describe('an answer that somebody wrote', () => {
  const good = vectors.cases.filter(({ expect: code, kind }) => code === null && kind !== 'in-band');
  const printable = fc.stringMatching(/^[\x20-\x7e]$/);

  test('is not taken with any one character of it changed, by the library or the helper', () => {
    // Fields that nothing covers are no part of the statement, nor is a mark that no key checks.
    const isCovered = ([name]: readonly [string, string]): boolean => name !== 'content-type';
    const one = fc.constantFrom(...good.filter(({ name }) => name !== 'stream, signed' && !name.startsWith('beside')));
    fc.assert(
      fc.property(one, fc.nat(), fc.nat(), printable, (vector, field, at, to) => {
        const covered = vector.headers.filter(isCovered);
        const parts = [...covered.map(([, value]) => value), vector.body];
        const part = field % parts.length;
        const from = parts[part];
        const changed = from.slice(0, at % from.length) + to + from.slice((at % from.length) + 1);
        fc.pre(changed !== from);
        const headers = vector.headers.map((header): readonly [string, string] =>
          header === covered.at(part) ? [header[0], changed] : header,
        );
        const spoilt = { ...vector, headers, body: part === covered.length ? changed : vector.body };
        expect(check(spoilt).isVerified).toBe(false);
        expect(checkByHelper(spoilt)).not.toBeNull();
      }),
      { numRuns: 400 },
    );
  });

  test('of whatever words is a report, and no failure', () => {
    const names = ['content-digest', 'modelward-input-digest', 'modelward-log', 'signature-input', 'signature'];
    const words = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(...vectors.cases.flatMap(({ headers }) => headers.map(([, value]) => value))),
    );
    const headers = fc.array(fc.tuple(fc.constantFrom(...names, 'content-type', 'x-request-id'), words));
    fc.assert(
      fc.property(
        fc.constantFrom(...good.filter(({ kind }) => kind === 'headers')),
        headers,
        fc.string({ unit: 'binary' }),
        (vector, more, body) => {
          for (const spoilt of [
            { ...vector, headers: more },
            { ...vector, headers: STREAM_HEADERS, body: `${body}event: modelward-integrity\ndata: ${body}` },
          ]) {
            expect(check(spoilt).isVerified).toBe(false);
            expect(checkByHelper(spoilt)).not.toBeNull();
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** The code that the helper throws, null when it takes the answer. */
function checkByHelper(one: IntegrityCase): string | null {
  const { request, status, headers, body, nowSec } = one;
  const keys = {
    ...(one.keys.tag && { tag: readKeyFile(tagText) }),
    ...(one.keys.publicKey && { publicKey: vectors.publicKey }),
  };
  const time = { nowSec, ...(one.maxAgeSec !== null && { maxAgeSec: one.maxAgeSec }) };
  return toCode(() => {
    if (one.kind !== 'in-band') return verifyAnswer({ request, status, headers, body, keys, ...time });
    const { parameters, outputs } = JSON.parse(body) as OipBody;
    return verifyInBandByHelper({ integrity: parameters.integrity, outputs, request, keys, ...time });
  });
}

function toCode(work: () => unknown): string | null {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof ModelwardVerifyError) return error.code;
    throw error;
  }
}

describe('the TypeScript helper', () => {
  test('a stream in pieces of any size is what it is as a whole', () => {
    const one = vectors.cases.find(({ name }) => name === 'last event within the text')!;
    const bytes = utf8(one.body);
    const options: Omit<VerifyAnswerOptions, 'body'> = {
      ...{ request: one.request, status: one.status, headers: one.headers, nowSec: one.nowSec },
      keys: { tag: readKeyFile(tagText) },
    };
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (sizes) => {
        const verifier = new StreamVerifier(options);
        for (let at = 0, i = 0; at < bytes.length; at += sizes[i++ % sizes.length]) {
          verifier.update(bytes.subarray(at, at + sizes[i % sizes.length]));
        }
        expect(verifier.finish().marks).toEqual(['tag']);
      }),
      { numRuns: 100 },
    );
  });

  test('takes headers of fetch, and of node:http', () => {
    const one = vectors.cases[0];
    const { request, status, body, nowSec } = one;
    const keys = { tag: readKeyFile(tagText) };
    for (const headers of [
      new Headers(one.headers.map(([name, value]) => [name, value])),
      Object.fromEntries(one.headers),
    ]) {
      expect(verifyAnswer({ request, status, headers, body, keys, nowSec }).marks).toEqual(['tag']);
    }
  });
});

const clients = resolve(import.meta.dirname, '../../clients');

/** Prints the code of each case, or null, as JSON. */
const PYTHON = `
import json, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import modelward_verify as m
vectors = json.load(open(sys.argv[2]))
tag = m.read_key_file(json.dumps(vectors["tagKey"]))
out = []
for case in vectors["cases"]:
    keys = dict(tag=tag if case["keys"]["tag"] else None, public_key=vectors["publicKey"] if case["keys"]["publicKey"] else None)
    request, common = case["request"], dict(now=case["nowSec"], max_age=case["maxAgeSec"], request_body=case["request"]["body"], path=case["request"]["path"])
    try:
        if case["kind"] == "in-band":
            body = json.loads(case["body"])
            m.verify_in_band(integrity=body["parameters"]["integrity"], outputs=body["outputs"], **keys, **common)
        else:
            m.verify_answer(method=request["method"], status=case["status"], headers=case["headers"], body=case["body"].encode(), **keys, **common)
        out.append(None)
    except m.VerifyError as error:
        out.append(error.code)
    except RuntimeError as error:
        out.append(str(error))
print(json.dumps(out))
`;

/** With the package for signatures where it is there. */
const oracles = resolve(import.meta.dirname, '../oracles/.venv/bin/python');
const python = hasProgram(oracles) ? oracles : 'python3';

describeWhere(hasProgram(python), 'the Python helper', 'python3', () => {
  const run = (...flags: readonly string[]): (string | null)[] => {
    const args = [...flags, '-c', PYTHON, join(clients, 'python'), join(vectorsFolder, 'answers.json')];
    return JSON.parse(execFileSync(python, args, { encoding: 'utf8' })) as (string | null)[];
  };
  const isSigned = ({ keys }: IntegrityCase): boolean => keys.publicKey;

  test('finds in every vector of tags what the library finds', () => {
    const found = run();
    const rows = vectors.cases.flatMap((one, at) => (isSigned(one) ? [] : [[one.name, found[at]]]));
    expect(rows).toEqual(vectors.cases.filter((one) => !isSigned(one)).map(({ name, expect: code }) => [name, code]));
  });

  test('without the package for signatures it says so, and never takes one unseen', () => {
    // -S: no site-packages.
    const found = run('-S');
    const signed = vectors.cases.flatMap((one, at) => (isSigned(one) && one.expect === null ? [found[at]] : []));
    expect(signed.length).toBeGreaterThan(2);
    for (const text of signed) expect(text).toContain('cryptography');
  });

  describeWhere(hasProgram(python, ['-c', 'import cryptography']), 'signatures', 'python3 cryptography', () => {
    test('finds in every vector what the library finds', () => {
      expect(run()).toEqual(vectors.cases.map(({ expect: code }) => code));
    });
  });
});

describe('the sealer', () => {
  test('what it makes is verified, for any path, status, id and key', () => {
    const text = fc.stringMatching(/^\/[\x21-\x7e]{0,60}$/);
    fc.assert(
      fc.property(
        text,
        fc.integer({ min: 200, max: 599 }),
        fc.uuid(),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (path, status, requestId, key) => {
          const body = utf8(path);
          const sealed = { ...toSealed(toPrincipal(key)), path, requestId, inputSha256: sha256(body) };
          const place = { stream: 'a', index: status };
          const headers = createAnswerSealer({ signer, isAlwaysSigned: true }).toHeaders(sealed, {
            status,
            bodySha256: sha256(body),
            place,
          });
          const report = verifyResponse({
            request: { method: 'POST', path, body },
            answer: { status, headers: new Map([...headers, ['x-request-id', requestId]]), body },
            keys: { tag: { keyId: sealed.principal.id.slice(4), key }, publicKey: signer.publicKey },
            ...{ nowMs: sealed.timeMs, maxAgeMs: 0 },
          });
          expect(report).toMatchObject({ isVerified: true, findings: [], requestId, place });
          expect(report.marks.map(({ outcome }) => outcome)).toEqual(['good', 'good']);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('tags of one key say when each request came, second by second and back', () => {
    const sealer = createAnswerSealer({ signer: null, isAlwaysSigned: false });
    const [request, answer] = [toSealed(toPrincipal()), { status: 200, bodySha256: sha256() }];
    for (const seconds of [5, 5, 6, 5]) {
      const place = { stream: 'a', index: seconds };
      const headers = sealer.toHeaders({ ...request, timeMs: seconds * 1000 + 999 }, { ...answer, place });
      expect(Object.fromEntries(headers)['signature-input']).toContain(`;created=${seconds};`);
    }
  });

  test('callers without a tag have digests alone where nothing is signed', () => {
    const sealer = createAnswerSealer({ signer: null, isAlwaysSigned: false });
    const request = toSealed(toPrincipal(null));
    const names = sealer.toHeaders(request, { status: 200, bodySha256: sha256(), place: { stream: 'a', index: 0 } });
    expect(names.map(([name]) => name)).toEqual(['content-digest', 'modelward-input-digest', 'modelward-log']);
    expect(sealer.toParameters(request, sha256())).toBeUndefined();
  });

  test('a tag is no tag of another kind: what stands within an answer does not pass for headers', () => {
    const sealer = createAnswerSealer({ signer, isAlwaysSigned: true });
    const parameters = sealer.toParameters(toSealed(toPrincipal()), sha256())!;
    expect(Object.keys(parameters)).toEqual(['integrity', 'integrity_signature']);
    const [tag, signature] = Object.values(parameters).map((text) => text.split(' '));
    expect([tag.length, signature.length]).toEqual([9, 9]);
    expect([tag[1], signature[1]]).toEqual(['hmac-sha256', 'ed25519']);
  });
});
