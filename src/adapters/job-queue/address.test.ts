import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { parseQueueAddress } from './address.ts';

const parse = (text: string, isPasswordAllowed = true) => parseQueueAddress(text, { isPasswordAllowed });

describe('the address of a queue', () => {
  test('names server, database, user and password, with escapes', () => {
    expect(parse('postgres://us%40er:p%2Fw%23@db.example:6543/fl%20eet?sslrootcert=/ca.pem')).toEqual({
      ...{ host: 'db.example', port: 6543, database: 'fl eet', user: 'us@er', password: 'p/w#', tls: 'verify-full' },
      tlsFiles: { ca: '/ca.pem', cert: null, key: null },
    });
    expect(parse('postgresql://u@[2001:db8::7]/d')).toMatchObject({ host: '2001:db8::7', port: 5432, password: null });
    expect(parse('postgres://u@%2Frun%2Fpg/d')).toMatchObject({ host: '/run/pg', tls: 'disable' });
  });

  test.each([
    ['postgres://u@db.example/d', 'verify-full'],
    ['postgres://u@10.1.2.3/d', 'verify-full'],
    ['postgres://u@localhost.example/d', 'verify-full'],
    ['postgres://u@localhost/d', 'disable'],
    ['postgres://u@127.0.0.9/d', 'disable'],
    ['postgres://u@[::1]/d', 'disable'],
    ['postgres://u@127.0.0.1/d?sslmode=verify-ca', 'verify-ca'],
    ['postgres://u@db.example/d?sslmode=require', 'require'],
    ['postgres://u@db.example/d?sslmode=disable', 'disable'],
  ])('%s is secured by: %s', (text, tls) => {
    expect(parse(text).tls).toBe(tls);
  });

  test.each([
    ['mysql://u@h/d', 'scheme'],
    ['u@h/d', 'scheme'],
    ['postgres://h/d', 'user'],
    ['postgres://u@h', 'database'],
    ['postgres://u@h/', 'database'],
    ['postgres:///d', 'host'],
    ['postgres://u@/d', 'user, host or port'],
    ['postgres://u@h:99999/d', 'user, host or port'],
    ['postgres://u@%ff/d', 'host'],
    ['postgres://u:%ff@h/d', 'password'],
    ['postgres://u@h/d?sslmode=prefer', 'sslmode'],
    ['postgres://u@h/d?password=x', 'parameters'],
    ['postgres://u@h/d?sslmode=require&sslmode=disable', 'parameters'],
    ['postgres://u:a#b@h/d', 'fragment: write "#" as %23'],
    ['postgres://u@h/d\n', 'a blank or control character'],
    [`postgres://u@h/${'d'.repeat(1024)}`, 'length'],
  ])('%j is refused at: %s', (text, at) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'QUEUE_URL_MALFORMED', fields: { at } }));
  });

  test('a password is refused where it can be seen, and no refusal quotes it', () => {
    const canary = 'canary-7f3a';
    expect(codeOf(() => parse(`postgres://u:${canary}@h/d`, false))).toBe('QUEUE_PASSWORD_EXPOSED');
    for (const text of [`postgres://u:${canary}@h/d?x=${canary}`, `postgres://u:${canary}@h`, `u:${canary}@h/d`]) {
      try {
        parse(text);
        expect.unreachable();
      } catch (error) {
        expect(JSON.stringify(error) + String(error)).not.toContain(canary);
      }
    }
  });
});
