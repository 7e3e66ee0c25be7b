/** The refusals of requests, answers, seats and registers: a minimal case of each, for outcomes.test.ts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { askServer } from '../../src/adapters/license-server/index.ts';
import {
  claimLog,
  moveRegister,
  type RegisterTables,
  takeOverEarlier,
} from '../../src/adapters/license-store/index.ts';
import type { Database } from '../../src/core/database.ts';
import { LICENSE_LIMITS } from '../../src/core/limits/license.ts';
import { signAnswer, signRequest, toThumbprint } from '../../src/license/index.ts';
import { nodeStorage } from '../../src/source/node-storage.ts';
import { acceptAnswer, answerRequest } from '../../src/workflows/license/index.ts';
import { DAY, type Kit, makeAgreementKey, T0 } from './kit.ts';
import { createSteps, pool } from './outcome-steps.ts';
import { openTestDatabase } from './register.ts';

/** @param kitOf the kit of the test that runs */
export function toExchangeCases(kitOf: () => Kit) {
  const { open, activated, ask, exchange, twoOfOneSeat } = createSteps(kitOf);
  const registers: Database<RegisterTables>[] = [];
  afterEach(async () => {
    await Promise.all(registers.splice(0).map((register) => register.close()));
  });

  async function registerNamed(name: string): Promise<Database<RegisterTables>> {
    const register = await openTestDatabase(`sqlite:${join(kitOf().folder, name)}`);
    registers.push(register);
    return register;
  }

  /** A request with a right proof, unless another key makes it. */
  async function proven(change: object, key = kitOf().device.key): Promise<string> {
    const request = {
      aud: kitOf().vendor.signer.issuer,
      act: 'check',
      lic: 'L0',
      iat: kitOf().clock.nowSec,
      jti: 'A'.repeat(22),
      file: false,
    };
    return signRequest(key, kitOf().vendor.agreement.publicKey, { ...request, ...change } as Parameters<
      typeof signRequest
    >[2]);
  }

  return {
    LICENSE_GRACE_EXPIRED: async () => {
      const off = { checkSec: DAY, graceSec: 2 * DAY, lateSec: 0, maxSkewSec: 300, leaseSec: null };
      const { file } = await activated({ off });
      kitOf().clock.nowSec = T0 + 3 * DAY;
      return open(file);
    },
    LICENSE_LEASE_MISSING: async () => open((await activated(pool(1))).file),
    LICENSE_LEASE_EXPIRED: async () => {
      const { file } = await activated(pool(1));
      await exchange(file, 'lease');
      await open(file);
      kitOf().clock.nowSec += 600;
      return open(file);
    },
    LICENSE_SEATS_TAKEN: async () => {
      const { second } = await twoOfOneSeat();
      return exchange(second.file, 'lease', { device: second.device });
    },
    LICENSE_TAKEN_OVER: async () => {
      const { first, second } = await twoOfOneSeat();
      await exchange(second.file, 'takeover', {
        device: second.device,
        from: toThumbprint(kitOf().device.key.publicKey),
      });
      return exchange(first.file, 'lease');
    },
    LICENSE_REQUEST_MALFORMED: async () => {
      await activated();
      return answerRequest(kitOf().answering, await proven({ act: 'steal' }));
    },
    LICENSE_REQUEST_STALE: async () => {
      const { file } = await activated();
      const text = await ask(file, 'check');
      kitOf().clock.nowSec += 600;
      return answerRequest(kitOf().answering, text);
    },
    LICENSE_REQUEST_REPLAYED: async () => {
      const { file } = await activated();
      const text = await ask(file, 'check');
      await answerRequest(kitOf().answering, text);
      return answerRequest(kitOf().answering, text);
    },
    // The public key of the device is known to the thief; its private half is not.
    LICENSE_PROOF_INVALID: async () => {
      const { issued } = await activated();
      const thief = { ...makeAgreementKey(), publicKey: kitOf().device.key.publicKey };
      return answerRequest(kitOf().answering, await proven({ lic: issued.name }, thief));
    },
    LICENSE_UNKNOWN: async () => answerRequest(kitOf().answering, await proven({ lic: 'Lnone' })),
    LICENSE_NAME_TAKEN: async () => {
      const { issued } = await kitOf().issue();
      const { refuseTakenName } = await import('../../src/workflows/license/issue.ts');
      return kitOf().store.transact((transaction) => refuseTakenName(transaction, issued.name));
    },
    LICENSE_ANSWER_REPLAYED: async () => {
      const { file } = await activated();
      const text = await answerRequest(kitOf().answering, await ask(file, 'check'));
      await acceptAnswer(kitOf().device, kitOf().trust, { file, text });
      await ask(file, 'check');
      return acceptAnswer(kitOf().device, kitOf().trust, { file, text });
    },
    LICENSE_ANSWER_OTHER: async () => {
      const { file } = await activated();
      const other = await activated();
      const text = await answerRequest(kitOf().answering, await ask(other.file, 'check'));
      return acceptAnswer(kitOf().device, kitOf().trust, { file, text });
    },
    LICENSE_ANSWER_UNASKED: async () => {
      const { file, issued } = await activated();
      const answer = { aud: issued.jkt, lic: issued.name, act: 'check', nonce: 'A'.repeat(22), iat: T0 } as const;
      const text = await signAnswer(kitOf().vendor.signer, { ...answer, result: 'OK', standing: 'valid', lease: null });
      return acceptAnswer(kitOf().device, kitOf().trust, { file, text });
    },
    LICENSE_REQUESTS_TOO_MANY: async () => {
      const { file, issued } = await kitOf().issue();
      await kitOf().store.transact(async (transaction) => {
        const of = { by: issued.name, nowSec: kitOf().clock.nowSec, untilSec: kitOf().clock.nowSec + 300 };
        for (let at = 0; at < LICENSE_LIMITS.noncesPerLicenseMax; at += 1) await transaction.useNonce(`n${at}`, of);
      });
      return answerRequest(kitOf().answering, await ask(file, 'check'));
    },
    LICENSE_STORE_FAILED: async () => {
      writeFileSync(join(kitOf().folder, 'licenses.json'), '[]');
      const lock = { acquire: () => Promise.resolve({ isHeld: () => true, release: () => undefined }) };
      return takeOverEarlier(await registerNamed('new.db'), { storage: nodeStorage, folder: kitOf().folder, lock });
    },
    LICENSE_REGISTER_MOVED: async () => {
      await kitOf().issue();
      await moveRegister(await registerNamed('register.db'), await registerNamed('new.db'));
      return kitOf().store.readStandings();
    },
    LICENSE_REGISTER_NOT_EMPTY: async () => {
      await kitOf().issue();
      return moveRegister(await registerNamed('new.db'), await registerNamed('register.db'));
    },
    LICENSE_LOG_TAKEN: async () => {
      const register = await registerNamed('register.db');
      await claimLog(register, { log: 'modelward/1', home: 'one' });
      await claimLog(register, { log: 'modelward/1', home: 'one' });
      return claimLog(register, { log: 'modelward/1', home: 'two' });
    },
    LICENSE_SERVER_UNAVAILABLE: () =>
      askServer({ server: 'https://127.0.0.1:9', action: 'check', request: 'x', caPem: null, timeoutMs: 2000 }),
    LICENSE_SERVER_INSECURE: () =>
      askServer({ server: 'http://licences.example', action: 'check', request: 'x', caPem: null, timeoutMs: 2000 }),
  };
}
