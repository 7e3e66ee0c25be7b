/** The policy of a broker, as it is read. */
import { describe, expect, test } from 'vitest';
import { POLICY } from '../../test/broker/kit.ts';
import { codeOf } from '../../test/error-code.ts';
import { utf8 } from '../core/bytes.ts';
import { BROKER_LIMITS } from '../core/limits/broker.ts';
import { readBrokerPolicy, TEES } from './index.ts';

describe('no machine without hardware', () => {
  test('is a kind in this build', () => {
    expect(TEES).toEqual(['snp', 'tdx', 'sgx']);
  });

  test('passes a policy that asks for it: there is no such policy', () => {
    const policies = { vm: { ...POLICY.policies.vm, accept: { sample: {} } } };
    const bytes = utf8(JSON.stringify({ ...POLICY, policies, resources: [POLICY.resources[0]] }));
    expect(codeOf(() => readBrokerPolicy(bytes))).toBe('ATTEST_POLICY_MALFORMED');
  });
});

describe('the broker policy', () => {
  const read = (change: object): string =>
    codeOf(() => readBrokerPolicy(utf8(JSON.stringify({ ...POLICY, ...change }))));
  const [row] = POLICY.resources;

  test.each<[string, object]>([
    ['of another type', { type: 'modelward/attestation-policy/v1' }],
    ['with a member that is not known', { allowSample: true }],
    ['without resources', { resources: [] }],
    ['with a resource twice', { resources: [row, row] }],
    ['with a name that goes up', { resources: [{ ...row, resource: 'models/../key' }] }],
    ['with a policy that is not there', { resources: [{ ...row, policy: 'none' }] }],
    ['with a policy of the prototype', { resources: [{ ...row, policy: 'constructor' }] }],
    ['with something else for a seal', { resources: [{ ...row, sealId: '../../etc/passwd' }] }],
  ])('%s is refused', (_name, change) => {
    expect(read(change)).toBe('BROKER_POLICY_MALFORMED');
  });

  test('a member that stands twice is refused, wherever it stands: a reader sees one, and the other is in force', () => {
    const text = JSON.stringify(POLICY);
    const twice = text.replace('"name":', '"name":"other","name":');
    const inside = text.replace(/"type":"modelward\/attestation-policy\/v1"/, (member) => `${member},${member}`);
    for (const one of [twice, inside]) {
      expect(one).not.toBe(text);
      expect(codeOf(() => readBrokerPolicy(utf8(one)))).toBe('BROKER_POLICY_MALFORMED');
    }
  });

  test('is digested by meaning, not by spelling', () => {
    const digest = (text: string) => readBrokerPolicy(utf8(text)).digestHex;
    const { type, ...rest } = POLICY;
    expect(digest(JSON.stringify({ ...rest, type }, null, 4))).toBe(digest(JSON.stringify(POLICY)));
    expect(digest(JSON.stringify({ ...POLICY, name: 'other' }))).not.toBe(digest(JSON.stringify(POLICY)));
  });

  test('above the cap is refused unread', () => {
    expect(codeOf(() => readBrokerPolicy(new Uint8Array(BROKER_LIMITS.policyBytesMax + 1)))).toBe(
      'BROKER_POLICY_MALFORMED',
    );
  });
});
