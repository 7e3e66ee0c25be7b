/** The refusals of licences, key documents and status lists: a minimal case of each, for outcomes.test.ts. */
import { createHmac } from 'node:crypto';
import { encodeLicenseFile, parseLicenseFile, toIssuer } from '../../src/license/index.ts';
import { activateLicense } from '../../src/workflows/license/index.ts';
import { DAY, type Kit, makeAgreementKey, type Overrides, T0 } from './kit.ts';
import { b64, bytes, createSteps, json, listed, STATUS_URI } from './outcome-steps.ts';

/** @param kitOf the kit of the test that runs */
export function toDocumentCases(kitOf: () => Kit) {
  const { open, activate, activated, exchange, list, changeTo } = createSteps(kitOf);
  /** The file that `forge` takes the key document from. */
  let forgeryBase: Uint8Array;
  /** The licence with another header, payload or signature. */
  function forge(text: string, change: { header?: object; payload?: object; signature?: string }): Uint8Array {
    const [header, payload, signature] = text.split('.');
    const merge = (part: string, by: object | undefined): string =>
      by === undefined ? part : b64({ ...(JSON.parse(Buffer.from(part, 'base64url').toString()) as object), ...by });
    const license = [merge(header, change.header), merge(payload, change.payload), change.signature ?? signature].join(
      '.',
    );
    return bytes({ v: 1, kind: 'modelward-license', license, key: json(forgeryBase).key });
  }

  async function issueForForging(overrides: Overrides = {}): Promise<string> {
    const { file, text } = await kitOf().issue(overrides);
    forgeryBase = file;
    return text;
  }

  return {
    LICENSE_MALFORMED: async () =>
      activate(bytes({ v: 1, kind: 'modelward-license', license: 'a.b', key: json((await kitOf().issue()).file).key })),
    LICENSE_TOO_LARGE: () => activate(new Uint8Array(70_000)),
    LICENSE_TYPE: async () => activate(forge(await issueForForging(), { header: { typ: 'JWT' } })),
    LICENSE_ALG_NONE: async () => activate(forge(await issueForForging(), { header: { alg: 'none' }, signature: '' })),
    LICENSE_ALG_REFUSED: async () => {
      // The known swap: the public key taken as the secret of a MAC.
      const text = forge(await issueForForging(), { header: { alg: 'HS256' } });
      const [header, payload] = json(text).license.split('.');
      const pem = kitOf().vendor.key.key.export({ type: 'spki', format: 'pem' });
      const mac = createHmac('sha256', pem).update(`${header}.${payload}`).digest('base64url');
      return activate(bytes({ ...json(text), license: `${header}.${payload}.${mac}` }));
    },
    LICENSE_ALG_MISMATCH: async () => activate(forge(await issueForForging(), { header: { alg: 'EdDSA' } })),
    LICENSE_HEADER_REFUSED: async () =>
      activate(forge(await issueForForging(), { header: { jwk: makeAgreementKey().publicKey } })),
    LICENSE_KEY_UNKNOWN: async () => activate(forge(await issueForForging(), { header: { kid: 'ab'.repeat(32) } })),
    LICENSE_SIGNATURE_INVALID: async () =>
      activate(forge(await issueForForging(), { payload: { exp: T0 + 9999 * DAY } })),
    LICENSE_VENDOR_KEY_MISSING: async () =>
      activateLicense(kitOf().device, { keys: [], audience: 'modelward' }, (await kitOf().issue()).file),
    LICENSE_CLAIMS_INVALID: async () => {
      const [header, payload] = (await issueForForging()).split('.');
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
      delete claims.exp;
      const signed = `${header}.${b64(claims)}`;
      const signature = await kitOf().vendor.signer.sign(Buffer.from(signed));
      const license = `${signed}.${Buffer.from(signature).toString('base64url')}`;
      return activate(bytes({ ...json(forgeryBase), license }));
    },
    LICENSE_ISSUER: async () =>
      activate(
        (await kitOf().issue({}, { signer: { ...kitOf().vendor.signer, issuer: toIssuer('ff'.repeat(32)) } })).file,
      ),
    LICENSE_AUDIENCE: async () => activate((await kitOf().issue({ aud: 'another product' })).file),
    LICENSE_NOT_YET_VALID: async () => activate((await kitOf().issue({ nbf: T0 + DAY })).file),
    LICENSE_ISSUED_IN_FUTURE: async () => activate((await kitOf().issue({ iat: T0 + DAY, nbf: T0 })).file),
    LICENSE_EXPIRED: async () => {
      const { file } = await activated({ exp: T0 + DAY });
      kitOf().clock.nowSec = T0 + DAY;
      return open(file);
    },
    LICENSE_SUPERSEDED: async () => {
      const { file } = await kitOf().issue({ jti: 'L' });
      await activated({ jti: 'L', seq: 2 });
      return open(file);
    },
    LICENSE_SEAL_MISMATCH: async () => {
      const seal = { id: '018f3a10-0000-7000-8000-000000000000', sha256: 'A'.repeat(43) };
      return open((await activated({ seal })).file);
    },
    LICENSE_SEAL_ALTERED: async () =>
      open((await activated({ seal: { id: kitOf().info.header.sealId, sha256: 'A'.repeat(43) } })).file),
    LICENSE_KEY_DOCUMENT_MALFORMED: async () => {
      const { text } = await kitOf().issue();
      return activate(bytes({ v: 1, kind: 'modelward-license', license: text, key: { tag: '' } }));
    },
    LICENSE_KEY_DOCUMENT_ALG: async () => {
      const { file } = await kitOf().issue();
      const { license, keyDocument } = parseLicenseFile(file);
      const header = {
        ...(JSON.parse(Buffer.from(keyDocument.protected, 'base64url').toString()) as object),
        alg: 'dir',
      };
      return activate(encodeLicenseFile({ license, keyDocument: { ...keyDocument, protected: b64(header) } }));
    },
    LICENSE_KEY_DOCUMENT_OTHER: async () => {
      const [one, two] = [
        parseLicenseFile((await kitOf().issue()).file),
        parseLicenseFile((await kitOf().issue()).file),
      ];
      return activate(encodeLicenseFile({ license: one.license, keyDocument: two.keyDocument }));
    },
    LICENSE_KEY_REFUSED: async () => {
      const { license, keyDocument } = parseLicenseFile((await kitOf().issue()).file);
      const tag = Buffer.alloc(16, 1).toString('base64url');
      return activate(encodeLicenseFile({ license, keyDocument: { ...keyDocument, tag } }));
    },
    LICENSE_KEY_WRONG: async () => activate((await kitOf().issue({}, { dek: new Uint8Array(32).fill(7) })).file),
    LICENSE_ENTITLEMENT_MISSING: async () => open((await activated()).file, { needs: ['speech'] }),
    LICENSE_REVOKED: async () => {
      const { file, issued } = await activated();
      await changeTo(issued.name, 'revoke');
      await exchange(file, 'check').catch(() => undefined);
      return open(file);
    },
    LICENSE_SUSPENDED: async () => {
      const { file, issued } = await activated();
      await changeTo(issued.name, 'suspend');
      await exchange(file, 'check').catch(() => undefined);
      return open(file);
    },
    LICENSE_STATUS_MISSING: async () => open((await activated(listed(0))).file),
    LICENSE_STATUS_MALFORMED: async () => {
      const { file } = await activated(listed(0, null));
      const list = { bits: 3, lst: '' };
      const signed = [
        b64({ alg: 'ES256', kid: kitOf().vendor.signer.kid, typ: 'statuslist+jwt' }),
        b64({ sub: STATUS_URI, iat: T0, status_list: list }),
      ].join('.');
      const signature = Buffer.from(await kitOf().vendor.signer.sign(Buffer.from(signed))).toString('base64url');
      return open(file, { statusList: `${signed}.${signature}` });
    },
    LICENSE_STATUS_OTHER: async () => {
      const { file } = await activated(listed(0, null));
      return open(file, { statusList: await list('https://vendor.example/another') });
    },
    LICENSE_STATUS_INDEX: async () => {
      const { file } = await activated(listed(99, null));
      return open(file, { statusList: await list() });
    },
    LICENSE_STATUS_STALE: async () => {
      const { file } = await activated(listed(0, null));
      const old = await list();
      kitOf().clock.nowSec += 60;
      await open(file, { statusList: await list() });
      return open(file, { statusList: old });
    },
  };
}
