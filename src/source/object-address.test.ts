import { describe, expect, test } from 'vitest';
import { isObjectAddress, parseObjectAddress, toObjectText, toSibling } from './object-address.ts';

describe('an address of an object', () => {
  test.each([
    's3://weights/a',
    's3://weights/a/b c/ü.seal',
    's3://my.bucket/%2e%2e/x',
    's3://weights/a?endpoint=https%3A%2F%2Fminio.example%3A9000&region=eu-west-3&profile=ops',
    'gs://my_bucket/a//b',
  ])('%s comes back as it was written', (text) => {
    expect(isObjectAddress(text)).toBe(true);
    expect(toObjectText(parseObjectAddress(text))).toBe(text);
  });

  test.each([
    ['s3://weights', 'key'],
    ['s3://weights/folder/', 'key'],
    ['s3://weights/a/../b', 'key'],
    ['s3://weights/a\u0000', 'key'],
    [`s3://weights/${'k'.repeat(1025)}`, 'key'],
    ['s3://user:secret@weights/a', 'bucket'],
    ['s3://Weights/a', 'bucket'],
    ['s3://a..b/a', 'bucket'],
    ['s3://weights/a?endpoint=http://example.com', 'endpoint'],
    ['s3://weights/a?endpoint=https://u:p@example.com', 'endpoint'],
    ['s3://weights/a?endpoint=https://example.com/path', 'endpoint'],
    ['s3://weights/a?region=eu west', 'region'],
    ['s3://weights/a?X-Amz-Signature=secret', 'parameters'],
    ['gs://weights/a?region=eu', 'parameters'],
    ['s3://weights/a?region=a&region=b', 'parameters'],
    ['s3://weights/a?b?c', 'parameters'],
    [`s3://weights/${'k/'.repeat(3000)}x`, 'scheme'],
  ])('%s is refused, and is not repeated', (text, part) => {
    expect(() => parseObjectAddress(text)).toThrow(
      expect.objectContaining({ code: 'OBJECT_ADDRESS_INVALID', fields: { part } }),
    );
  });

  test('plain http is for this machine alone', () => {
    expect(parseObjectAddress('s3://weights/a?endpoint=http://[::1]:9000').endpoint).toBe('http://[::1]:9000');
    expect(parseObjectAddress('gs://weights/a?endpoint=http://localhost:9000').endpoint).toBe('http://localhost:9000');
  });

  test('names from a file stay under the prefix', () => {
    const main = parseObjectAddress('s3://weights/models/m.onnx');
    expect(toSibling(main, 'data/w.bin').key).toBe('models/data/w.bin');
    // Behind a "?" an address names a server, and credentials go there.
    const leading = ['w?endpoint=https%3A%2F%2Fevil.example', 'w?profile=admin', 'a?b/w.bin'];
    for (const name of ['../w.bin', '/w.bin', '', 'a/../b', 'c:w', ...leading]) {
      expect(() => toSibling(main, name)).toThrow(expect.objectContaining({ code: 'SOURCE_OUTSIDE_FOLDER' }));
    }
  });
});
