import { describe, expect, test } from 'vitest';
import { type GatewayConfig, readGatewayConfig } from '../../../gateway/index.ts';
import { assertFollowed, type Change, createTurns, type Follower, listChanges, prepareAll } from './reload.ts';

const TERMS = { isSignatureFree: false };
const read = (more: object): GatewayConfig =>
  readGatewayConfig({ models: [{ name: 'digits', file: '/m.onnx' }], ...more });
const plain = read({});

/** Notes what is asked of it. */
function toPart(name: string, told: string[], error?: Error): Follower {
  return {
    prepare: () => {
      told.push(`prepare ${name}`);
      if (error !== undefined) return Promise.reject(error);
      const change: Change = {
        commit: () => told.push(`commit ${name}`),
        discard: () => Promise.resolve(void told.push(`discard ${name}`)),
      };
      return Promise.resolve(change);
    },
  };
}

describe('another configuration', () => {
  test('all parts are made ready before any holds; one that fails discards those before', async () => {
    const told: string[] = [];
    (await prepareAll([toPart('a', told), toPart('b', told)], plain, TERMS)).commit();
    expect(told.splice(0)).toEqual(['prepare a', 'prepare b', 'commit a', 'commit b']);
    const parts = [toPart('a', told), toPart('b', told, new Error('no')), toPart('c', told)];
    await expect(prepareAll(parts, plain, TERMS)).rejects.toThrow('no');
    expect(told).toEqual(['prepare a', 'prepare b', 'discard a']);
  });

  test('is told by the members that differ, and refused by those that no part follows', () => {
    const toCode = (next: GatewayConfig): unknown => {
      try {
        assertFollowed(listChanges(plain, next));
        return null;
      } catch (error) {
        const { code, fields } = error as { code: string; fields: object };
        return { code, fields };
      }
    };
    expect(listChanges(plain, read({}))).toEqual([]);
    const followed = {
      ...{ limits: { batchMax: 2 }, log: { retentionDays: 3 }, openHealth: true, budgets: { digits: {} } },
      upstreams: [{ name: 'far', url: 'http://127.0.0.1:1', protocol: 'oip', models: [{ name: 'net' }] }],
      integrity: { tensors: false },
    };
    expect(listChanges(plain, read(followed))).toEqual([
      'budgets',
      'integrity.tensors',
      'limits.batchMax',
      'log.retentionDays',
      'openHealth',
      'upstreams',
    ]);
    expect(toCode(read(followed))).toBeNull();
    const other = {
      listen: { port: 1 },
      limits: { bodyBytesMax: 5 },
      log: { hashKeyFile: '/k' },
      journal: {},
      admin: {},
      integrity: { sign: true },
    };
    expect(toCode(read(other))).toEqual({
      code: 'ADMIN_RESTART_NEEDED',
      fields: { at: ['admin', 'integrity.sign', 'journal', 'limits.bodyBytesMax', 'listen', 'log.hashKeyFile'] },
    });
  });

  test('comes after the one before has ended, whatever became of that', async () => {
    const takeTurn = createTurns();
    const told: string[] = [];
    let fail = (): void => undefined;
    const first = takeTurn(
      () =>
        new Promise((_done, refuse) => {
          fail = () => {
            refuse(new Error('no'));
          };
        }),
    );
    const second = takeTurn(() => Promise.resolve(told.push('second')));
    await new Promise(setImmediate);
    expect(told).toEqual([]);
    fail();
    await expect(first).rejects.toThrow('no');
    expect(await second).toBe(1);
  });
});
