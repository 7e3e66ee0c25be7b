import { describe, expect, test } from 'vitest';
import { LIMITS, WHOLE_OUTPUT } from '../../../test/fakes/api-keys.ts';
import { codeOf } from '../../../test/error-code.ts';
import { createCertificateMapper } from './certificate.ts';

const terms = { tenant: 'acme', scopes: ['infer:fraud'], limits: LIMITS, output: WHOLE_OUTPUT };
let count = 0;
const certificate = (...subjectAltNames: string[]) => ({
  subjectAltNames,
  sha256Hex: String((count += 1)),
  endsMs: Infinity,
});

describe('certificates by rules', () => {
  const map = createCertificateMapper([
    { ...terms, name: 'URI:spiffe://prod.example/ns/scoring/sa/*', tenant: 'scoring' },
    { ...terms, name: 'DNS:batch.example' },
  ]);

  test('a name that a rule knows is a principal, and the same one again', () => {
    const one = certificate('DNS:batch.example', 'DNS:other.example');
    expect(map(one)).toMatchObject({ id: 'mtls:DNS:batch.example', kind: 'mtls', tenant: 'acme', tagKey: null });
    expect(map(one)).toBe(map(one));
    expect(map(certificate('URI:spiffe://prod.example/ns/scoring/sa/api'))?.tenant).toBe('scoring');
  });

  test.each([
    ['no name', []],
    ['another name', ['DNS:batch.example.evil']],
    ['the name as another kind', ['email:batch.example']],
    ['upper case', ['DNS:BATCH.example']],
    ['the folder of the rule', ['URI:spiffe://prod.example/ns/scoring/sa/']],
    ['above the folder', ['URI:spiffe://prod.example/ns/scoring/sa/../../x']],
    ['another trust domain', ['URI:spiffe://prod.example.evil/ns/scoring/sa/api']],
    ['two SPIFFE ids', ['URI:spiffe://prod.example/ns/scoring/sa/api', 'URI:spiffe://prod.example/ns/scoring/sa/b']],
    ['names of two rules', ['DNS:batch.example', 'URI:spiffe://prod.example/ns/scoring/sa/api']],
    ['an escape', ['URI:spiffe://prod.example/ns/scoring/sa/%2e%2e']],
  ])('%s is nobody', (_name, names) => {
    expect(map(certificate(...names))).toBeNull();
  });

  test.each([
    'batch.example',
    'DNS:*.example',
    'DNS:a/*',
    'URI:spiffe://*/x',
    'URI:spiffe://PROD/x',
    'URI:spiffe://prod/a/../b/*',
    'DNS:',
  ])('a rule "%s" is refused', (name) => {
    expect(codeOf(() => createCertificateMapper([{ ...terms, name }]))).toBe('IDENTITY_RULES_INVALID');
  });
});
