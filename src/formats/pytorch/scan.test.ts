import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as K from '../../../test/formats/pickle.ts';
import { toTorchMembers, writeTorch, writeZip } from '../../../test/formats/zip.ts';
import { openBufferSource } from '../../source/buffer.ts';
import { type PyTorchScan, scanPyTorch } from './scan.ts';

const FIXTURES = join(import.meta.dirname, '../../../test/fixtures/pytorch');

const scan = (bytes: Uint8Array): PyTorchScan => scanPyTorch(openBufferSource('m.pt', bytes));
const namesOf = (result: PyTorchScan, severity = 'dangerous'): string[] => [
  ...new Set(result.findings.filter((finding) => finding.severity === severity).map(({ name }) => name)),
];
const payload = K.call('os', 'system', K.text('id'));

describe('files that PyTorch wrote', () => {
  const benign = ['1.13', '2.9'].flatMap((version) =>
    ['kinds.pt', 'checkpoint.pt', 'protocol4.pt', 'legacy.pt'].map((name) => `${version}/${name}`),
  );
  test.each(benign)('%s: nothing but allowlisted names, every pickle read to its end', (name) => {
    const result = scan(readFileSync(join(FIXTURES, name)));
    expect(result.findings.filter(({ severity }) => severity !== 'allowlisted')).toEqual([]);
    expect(result.findings.length).toBeGreaterThan(0);
    expect([result.problems, result.notScanned]).toEqual([[], []]);
    expect(result.pickles.every(({ isComplete }) => isComplete)).toBe(true);
  });

  test('a whole module: the classes that loading would import are named with their places', () => {
    const result = scan(readFileSync(join(FIXTURES, '2.9/module.pt')));
    expect(namesOf(result)).toEqual([]);
    expect(namesOf(result, 'unknown')).toContain('torch.nn.modules.conv.Conv2d');
    const [global] = result.findings.filter(({ opcode, name }) => opcode === 'GLOBAL' && name.endsWith('Sequential'));
    expect([global.member, global.at]).toEqual(['module/data.pkl', 2]);
  });

  test('TorchScript: its pickles are read, its code is named as not scanned', () => {
    const result = scan(readFileSync(join(FIXTURES, '2.9/script.pt')));
    expect(result.problems).toEqual([]);
    expect(result.notScanned).toContainEqual({ member: 'script/code/__torch__.py', reason: 'TorchScript code' });
  });
});

/** Published ways past scanners, each with the same payload. */
describe('bypasses of pickle scanners', () => {
  const raw = (...parts: Uint8Array[]): Uint8Array => K.pickle(...parts);
  const stackGlobal = (module: Uint8Array, name: Uint8Array): Uint8Array =>
    K.join(module, name, K.STACK_GLOBAL, K.tuple(K.text('id')), K.REDUCE);
  const bytesText = (text: string): Uint8Array => K.bytes(K.raw(text));

  test.each<[string, Uint8Array, string]>([
    ['GLOBAL', raw(payload), 'os.system'],
    [
      'a way through special names',
      raw(K.call('collections', 'OrderedDict.__init__', K.text('id'))),
      'collections.OrderedDict.__init__',
    ],
    ['the Python 2 name of a module', raw(K.call('__builtin__', 'eval', K.text('1'))), 'builtins.eval'],
    ['INST', K.join(K.MARK, K.text('id'), K.inst('os', 'system'), K.STOP), 'os.system'],
    ['OBJ', K.join(K.MARK, K.global('os', 'system'), K.text('id'), K.raw('o.')), 'os.system'],
    ['NEWOBJ', raw(K.global('subprocess', 'Popen'), K.tuple(K.text('id')), K.NEWOBJ), 'subprocess.Popen'],
    [
      'NEWOBJ_EX',
      raw(K.global('subprocess', 'Popen'), K.EMPTY_TUPLE, K.dict(), Uint8Array.of(0x92)),
      'subprocess.Popen',
    ],
    ['STACK_GLOBAL of two texts', raw(stackGlobal(K.shortText('posix'), K.shortText('system'))), 'posix.system'],
    [
      'STACK_GLOBAL through the memo',
      raw(
        K.text('os'),
        K.put(1),
        K.POP,
        K.text('system'),
        K.put(2),
        K.POP,
        K.text('decoy'),
        K.POP,
        stackGlobal(K.get(1), K.get(2)),
      ),
      'os.system',
    ],
    [
      'STACK_GLOBAL with decoys popped in front',
      raw(K.text('os'), K.text('system'), K.text('torch'), K.text('Size'), K.POP, K.POP, K.STACK_GLOBAL),
      'os.system',
    ],
    ['STACK_GLOBAL of escaped strings', raw(K.raw("S'o\\x73'\nS'syst\\145m'\n"), K.STACK_GLOBAL), 'os.system'],
    ['STACK_GLOBAL of raw unicode escapes', raw(K.raw('V\\u006fs\nVsystem\n'), K.STACK_GLOBAL), 'os.system'],
    ['STACK_GLOBAL of old byte strings', raw(K.raw('U\x02osU\x06system'), K.STACK_GLOBAL), 'os.system'],
    ['STACK_GLOBAL of bytes instead of text', raw(stackGlobal(bytesText('os'), bytesText('system'))), '?'],
    ['STACK_GLOBAL of a number', raw(stackGlobal(K.int(42), K.text('os'))), '?'],
    [
      'STACK_GLOBAL of a name computed by a call',
      raw(stackGlobal(K.call('builtins', 'str', K.text('os')), K.text('system'))),
      '?',
    ],
    [
      'a dotted name from a harmless module',
      raw(stackGlobal(K.text('torch'), K.text('serialization.os.system'))),
      'torch.serialization.os.system',
    ],
    [
      'a dotted name in GLOBAL',
      raw(K.call('collections', 'abc.sys.modules', K.text('x'))),
      'collections.abc.sys.modules',
    ],
    ['an extension code', raw(Uint8Array.of(0x82, 7), K.tuple(K.text('id')), K.REDUCE), 'extension 7'],
    ['an extension code of 32 bits', raw(Uint8Array.of(0x84, 7, 0, 0, 0), K.EMPTY_TUPLE, K.REDUCE), 'extension 7'],
    ['a result that is popped', raw(payload, K.POP, K.dict()), 'os.system'],
    ['a result below a MARK that is popped', raw(K.MARK, payload, K.raw('1'), K.dict()), 'os.system'],
    ['a defect behind the payload', K.join(K.proto(2), payload, Uint8Array.of(0xff, 0xff)), 'os.system'],
    ['no STOP behind the payload', K.join(K.proto(2), payload), 'os.system'],
    [
      'a stack defect in front of the payload',
      K.join(K.proto(2), K.POP, K.POP, K.get(9), payload, K.STOP),
      'os.system',
    ],
    ['a second pickle behind STOP', K.join(K.pickle(K.dict()), K.pickle(payload)), 'os.system'],
    ['a second pickle of protocol 0', K.join(K.pickle(K.dict()), K.raw('cos\nsystem\n(Vid\ntR.')), 'os.system'],
    ['a pickle in a byte string', raw(K.call('acme', 'load', K.bytes(K.pickle(payload)))), 'os.system'],
    [
      'a pickle in a text of Latin-1',
      raw(K.call('_codecs', 'encode', K.text(Buffer.from(K.pickle(payload)).toString('latin1')), K.text('latin1'))),
      'os.system',
    ],
    ['a pickle in a pickle in a pickle', raw(K.bytes(K.pickle(K.bytes(K.pickle(payload))))), 'os.system'],
    [
      'a pickle that is loaded by name',
      raw(K.call('torch.storage', '_load_from_bytes', K.bytes(K.pickle(payload)))),
      'os.system',
    ],
    [
      'attributes of a class replaced by BUILD',
      raw(K.global('torch', 'Size'), K.dict(K.text('__new__'), K.NONE), K.BUILD),
      'torch.Size',
    ],
    [
      'getattr over a harmless module',
      raw(K.call('builtins', 'getattr', K.global('torch', 'hub'), K.text('load'))),
      'builtins.getattr',
    ],
    [
      'a runner of the test tools',
      raw(K.call('numpy.testing._private.utils', 'runstring', K.text('x'))),
      'numpy.testing._private.utils.runstring',
    ],
    ['a runner of the profiler', raw(K.call('cProfile', 'run', K.text('x'))), 'cProfile.run'],
    [
      'a name of 20,000 characters',
      raw(stackGlobal(K.text('posixpath'), K.text(`${'os.path.'.repeat(2500)}os.system`))),
      '?',
    ],
  ])('%s', (_, bytes, name) => {
    expect(namesOf(scan(bytes))).toContain(name);
    expect(namesOf(scan(writeTorch(bytes, {})))).toContain(name);
  });

  test.each<[string, Uint8Array, string]>([
    [
      'one name twice, harmless last',
      writeZip([{ name: 'm/data.pkl', content: K.pickle(payload) }, ...toTorchMembers(K.pickle(K.dict()), {})]),
      'PYTORCH_ZIP_DUPLICATE',
    ],
    [
      'a wrong checksum',
      writeZip(toTorchMembers(K.pickle(payload), {}).map((m) => ({ ...m, central: { crc: 1 } }))),
      'PYTORCH_ZIP_CRC',
    ],
    [
      'the encryption flag in the directory',
      writeZip(toTorchMembers(K.pickle(payload), {}).map((m) => ({ ...m, central: { flags: 1 } }))),
      'PYTORCH_ZIP_ENCRYPTED',
    ],
    [
      'flags in the local headers',
      writeZip(toTorchMembers(K.pickle(payload), {}).map((m) => ({ ...m, local: { flags: 0x21 } }))),
      'PYTORCH_ZIP_LOCAL',
    ],
    [
      'another name in the local header',
      writeZip([{ name: 'm/data.pkl', content: K.pickle(payload), local: { name: 'm/notes.txt' } }]),
      'PYTORCH_ZIP_LOCAL',
    ],
    ['a name that climbs', writeZip([{ name: '../data.pkl', content: K.pickle(payload) }]), 'PYTORCH_ZIP_NAME'],
    [
      'bytes in front of the archive',
      writeZip(toTorchMembers(K.pickle(payload), {}), { prefix: K.raw('GIF89a') }),
      'PYTORCH_ZIP_GAP',
    ],
    [
      'bytes behind the archive',
      writeZip(toTorchMembers(K.pickle(payload), {}), { suffix: K.raw('tail') }),
      'PYTORCH_ZIP_GAP',
    ],
  ])('%s: the payload and the trick are both found', (_, bytes, code) => {
    const result = scan(bytes);
    expect(namesOf(result)).toContain('os.system');
    expect(result.problems.map((problem) => problem.code)).toContain(code);
  });

  test('renamed: a pickle under any member name, in any case, or as a storage', () => {
    for (const name of ['m/data.PKL', 'm/weights.bin', 'm/data/0', 'm/extra/.hidden']) {
      const members = toTorchMembers(K.pickle(K.dict()), {}).slice(1);
      const result = scan(writeZip([...members, { name, content: K.pickle(payload) }]));
      expect(namesOf(result), name).toContain('os.system');
      expect(result.findings.find(({ severity }) => severity === 'dangerous')?.member).toBe(name);
    }
  });

  test('a pickle in front of an archive, which PyTorch loads and zip tools do not see', () => {
    const result = scan(writeZip(toTorchMembers(K.pickle(K.dict()), {}), { prefix: K.pickle(payload) }));
    expect(result.container).toBe('prefixed-zip');
    expect(namesOf(result)).toContain('os.system');
  });

  test('a compressed pickle is read; one that is a bomb is named as not scanned', () => {
    const packed = writeZip([{ name: 'm/data.pkl', content: K.pickle(payload), deflate: true }]);
    expect(namesOf(scan(packed))).toContain('os.system');
    const bomb = writeZip([{ name: 'm/data.pkl', content: new Uint8Array(2_000_000), deflate: true }]);
    expect(scan(bomb).notScanned).toEqual([{ member: 'm/data.pkl', reason: 'PYTORCH_ZIP_BOMB' }]);
  });

  test('an old tar: its pickles are read, and so is what else the bytes could be', () => {
    const result = scan(toTar('pickle', K.pickle(payload)));
    expect([result.container, namesOf(result)]).toEqual(['tar', ['os.system']]);
    expect(result.findings.find(({ severity }) => severity === 'dangerous')?.member).toBe('pickle');
    // A name is the beginning of the file: one that is a pickle runs when a loader takes the file for one.
    const polyglot = scan(toTar('cos\nsystem\n(S"id"\ntR.', K.pickle(K.NONE)));
    expect([polyglot.container, namesOf(polyglot)]).toEqual(['tar', ['os.system']]);
  });

  test.each([
    ['a link whose size covers the member behind it', '1', null],
    ['a header that gives the next member another size', 'x', null],
    ['a contiguous file', '7', null],
    ['a type that nobody knows, which Python takes for a file', 'Z', null],
    ['a size that is no octal number', '0', Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0])],
  ])('a tar with %s is not "clean"', (_, type, size) => {
    const result = scan(K.join(toTarMember('a', K.pickle(payload), type, size), new Uint8Array(1024)));
    expect(result.container).toBe('tar');
    expect(result.notScanned.map(({ reason }) => reason).join()).toMatch(/^the tar has a member (that is|without)/);
  });

  test('a tar with a folder and its end is read whole; one with a damaged header is not "clean"', () => {
    const folder = toTarMember('f/', new Uint8Array(), '5');
    const file = toTarMember('f/pickle', K.pickle(K.NONE), '0');
    expect(scan(K.join(folder, file, new Uint8Array(1024))).notScanned).toEqual([]);
    const damaged = Uint8Array.from(toTarMember('g', K.pickle(payload), '0')).fill(0x20, 148, 156);
    const { notScanned } = scan(K.join(folder, file, damaged, new Uint8Array(1024)));
    expect(notScanned).toEqual([{ member: null, reason: 'the tar has a damaged header' }]);
  });

  test('a legacy file: the third pickle is as good as the first', () => {
    const magic = K.join(K.proto(2), Uint8Array.of(0x8a, 0x0a), Buffer.from('6cfc9c46f9206aa85019', 'hex'), K.STOP);
    const rest = [K.int(1001), K.dict(), payload, K.list()].map((part) => K.pickle(part));
    const result = scan(K.join(magic, ...rest, Uint8Array.of(0, 1, 2)));
    expect([result.container, namesOf(result), result.pickles.length]).toEqual(['legacy', ['os.system'], 5]);
  });
});

describe('what a scan cannot judge is said', () => {
  test('a pickle that breaks off, an endless one, and one of too many layers are not "clean"', () => {
    expect(scan(K.join(K.proto(2), K.NONE)).notScanned).toHaveLength(1);
    let layered = K.pickle(payload);
    for (let i = 0; i < 8; i++) layered = K.pickle(K.bytes(layered));
    expect(scan(layered).notScanned).toEqual([
      { member: null, reason: 'more pickles inside byte strings than are read' },
    ]);
  });

  test('weights that begin like a pickle by chance raise nothing', () => {
    const weights = Uint8Array.of(0x80, 2, 0x4b, 1, 0x63, 0x0a, 0x0a, 0x93, 0xff, 0x2e, 0, 0);
    const pickle = K.pickle(K.storage({ type: 'ByteStorage', key: '0', count: weights.length }));
    const result = scan(writeTorch(pickle, { 0: weights }));
    expect(result.findings.filter(({ severity }) => severity !== 'allowlisted')).toEqual([]);
    expect([result.problems, result.notScanned]).toEqual([[], []]);
  });

  test('equal findings are counted, many different ones are cut and the cut is said', () => {
    const calls = Array.from({ length: 5000 }, (_, i) => K.join(K.global('acme', `f${i}`), K.POP));
    const result = scan(K.pickle(...calls, K.global('acme', 'f0'), K.POP, payload));
    expect(result.findings.find(({ name }) => name === 'acme.f0')?.count).toBe(2);
    expect(result.findingsDropped).toBe(5000 - 4096);
    expect(namesOf(result)).toContain('os.system');
  });
});

function toTarMember(name: string, content: Uint8Array, type: string, size: Buffer | null = null): Uint8Array {
  const header = Buffer.alloc(512);
  header.write(name);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  size?.copy(header, 124);
  header.write('        ', 148);
  header.write(type, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return K.join(header, content, new Uint8Array((512 - (content.length % 512)) % 512));
}

function toTar(name: string, content: Uint8Array): Uint8Array {
  return K.join(toTarMember(name, content, '0'), new Uint8Array(1024));
}
