import { describe, expect, test } from 'vitest';
import type { ModelwardError } from '../../core/errors.ts';
import { readGatewayConfig } from './index.ts';

const broker = { url: 'https://keys.example.com:8443', resource: 'models/key/digits', tee: 'snp' };
const model = { name: 'digits', file: '/m.seal' };

function findPlaces(input: unknown): readonly string[] {
  try {
    readGatewayConfig(input);
  } catch (error) {
    return ((error as ModelwardError).fields.at as readonly string[]).map((line) => line.slice(0, line.indexOf(':')));
  }
  return [];
}

describe('a broker of a model', () => {
  test('is named by address, resource and kind of machine', () => {
    expect(readGatewayConfig({ models: [{ ...model, broker }] }).models[0].broker).toEqual(broker);
  });

  test.each([
    [{ url: 'http://keys.example.com' }, 'models.0.broker.url'],
    [{ url: 'keys.example.com' }, 'models.0.broker.url'],
    [{ resource: 'digits' }, 'models.0.broker.resource'],
    [{ resource: 'models/../digits' }, 'models.0.broker.resource'],
    [{ tee: 'sample' }, 'models.0.broker.tee'],
    [{ token: 'x' }, 'models.0.broker'],
  ])('%j is refused by its place', (change, place) => {
    expect(findPlaces({ models: [{ ...model, broker: { ...broker, ...change } }] })).toEqual([place]);
  });

  test.each([{ key: 'local:/k' }, { envelope: '/e' }])('beside %j is refused: one place has the key', (other) => {
    expect(findPlaces({ models: [{ ...model, broker, ...other }] })).toEqual(['models.0.broker']);
  });
});

test.each([
  [{ names: [], out: '/o' }, 'attested.names'],
  [{ names: ['a'] }, 'attested.out'],
  [{ names: ['a'], out: '/o', key: '/k' }, 'attested'],
])('certificates made inside: %j is refused by its place', (attested, place) => {
  expect(findPlaces({ models: [model], attested })).toEqual([place]);
});
