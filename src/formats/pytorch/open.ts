/** PyTorch archives, read without running their pickles. */
import { FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { Model, ModelEdit, ModelFile, TensorRef } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import { NameSet } from '../name-set.ts';
import type { ModelFormat } from '../ports.ts';
import { readLayout, type TorchArchive } from './archive.ts';
import { type Container, toContainer } from './container.ts';
import { FindingList } from './findings.ts';
import { openMember } from './member.ts';
import { runPickle } from './pickle.ts';
import { Reading } from './reading.ts';
import { nameTensors } from './state.ts';
import { assertNoAmplification, placeStorages, toTensorRef } from './tensors.ts';
import { readZip } from './zip.ts';

export const pytorchFormat: ModelFormat = {
  id: 'pytorch',
  isFormat(name, head) {
    if (/\.(?:pt|pth|ptl|jit|ckpt|pkl|pickle|pth\.tar)$/i.test(name)) return true;
    // Names that PyTorch files share with others, and no extension at all: an archive or a binary pickle decides.
    if (!/(?:\.(?:bin|th|model|weights)|^[^.]+)$/i.test(name)) return false;
    const isZip = head[0] === 0x50 && head[1] === 0x4b && head[2] === 0x03 && head[3] === 0x04;
    return isZip || (head.length > 2 && head[0] === 0x80 && head[1] >= 2 && head[1] <= 5);
  },
  open({ source, name }) {
    const reading = new Reading(source, false);
    const container = toContainer(source);
    if (container !== 'zip') throw refuse(reading, container);
    const archive = readLayout(reading, readZip(reading));
    const findings = new FindingList();
    const tensors = readTensors(reading, archive, findings);
    return toModel({ name, source }, tensors, toMetadata(archive, findings));
  },
};

const REFUSALS = {
  'prefixed-zip': 'PYTORCH_ZIP_GAP',
  tar: 'PYTORCH_TAR',
  legacy: 'PYTORCH_LEGACY',
  pickle: 'PYTORCH_RAW_PICKLE',
} as const satisfies Record<Exclude<Container, 'zip'>, string>;

function refuse(reading: Reading, container: Exclude<Container, 'zip'>): FormatError {
  return reading.fail(REFUSALS[container], 0);
}

function readTensors(reading: Reading, archive: TorchArchive, findings: FindingList): readonly TensorRef[] {
  // {"a": {"b": …}} and {"a.b": …} have tensors of one name.
  const names = new NameSet();
  const parts = archive.isTorchScript
    ? [['data', ''] as const, ['constants', 'constants'] as const]
    : [['data', ''] as const];
  const tensors = parts.flatMap(([folder, prefix]) => readPart(reading, archive, { folder, prefix, names, findings }));
  assertNoAmplification(reading, tensors);
  return tensors.sort((a, b) => a.start - b.start);
}

interface Part {
  /** Folder of the storages; the pickle is called like it. */
  readonly folder: string;
  readonly prefix: string;
  readonly names: NameSet;
  readonly findings: FindingList;
}

function readPart(reading: Reading, archive: TorchArchive, { folder, prefix, names, findings }: Part): TensorRef[] {
  const member = archive.find(`${folder}.pkl`)!;
  if (member.method === 0 && member.sizeBytes > FORMAT_LIMITS.pickleBytesMax) {
    throw reading.fail('PYTORCH_PICKLE_BUDGET', member.dataStart, { member: member.name, what: 'bytes' });
  }
  const content = openMember(reading, member);
  const run = runPickle({ reading, content, at: content.start, member: member.name, findings });
  if (run.end !== content.end) {
    throw reading.fail('PYTORCH_PICKLE_TRAILING', content.toOffset(run.end), { member: member.name });
  }
  assertSafe(reading, archive, findings);
  const refuseTree = (what: string): never => {
    throw reading.fail('PYTORCH_PICKLE_BUDGET', member.dataStart, { member: member.name, what });
  };
  const named = nameTensors(run.root, run.tensors, prefix, refuseTree);
  if (named.length > FORMAT_LIMITS.tensorsMax) refuseTree('tensors');
  const places = placeStorages(reading, archive, folder, run.storages.values());
  return named.map(({ name, tensor }) =>
    toTensorRef(reading, { name: names.claim(name), tensor }, places.get(tensor.storage)!),
  );
}

/**
 * A model that runs code when it is loaded is nobody's to mark, seal or vouch for. Unknown names stay: they are
 * described, and tensors beside them are what they are.
 */
function assertSafe(reading: Reading, { isTorchScript }: TorchArchive, findings: FindingList): void {
  const list = findings.list();
  const dangerous = list.find(({ severity }) => severity === 'dangerous');
  if (dangerous !== undefined) {
    const { offset, opcode, name, member } = dangerous;
    throw reading.fail('PYTORCH_UNSAFE', offset, { opcode, name, member });
  }
  const unknown = isTorchScript ? list.find(({ severity }) => severity === 'unknown') : undefined;
  if (unknown !== undefined) {
    throw reading.fail('PYTORCH_TORCHSCRIPT', unknown.offset, { name: unknown.name, opcode: unknown.opcode });
  }
}

/** What the archive says about itself, and which names of its pickle are not those of tensors. */
function toMetadata(archive: TorchArchive, findings: FindingList): ReadonlyMap<string, string> {
  const metadata = new Map([
    ['pytorch.kind', archive.isTorchScript ? 'TorchScript' : 'torch.save'],
    ['pytorch.version', archive.version],
  ]);
  if (archive.byteOrder !== null) metadata.set('pytorch.byteorder', archive.byteOrder);
  if (archive.serializationId !== null) metadata.set('pytorch.serialization_id', archive.serializationId);
  const unknown = new Set(findings.list().flatMap(({ name, severity }) => (severity === 'unknown' ? [name] : [])));
  if (unknown.size > 0) metadata.set('pytorch.unknown_names', [...unknown].slice(0, NAMES_MAX).join(', '));
  return metadata;
}

const NAMES_MAX = 100;

function toModel(file: ModelFile, tensors: readonly TensorRef[], metadata: ReadonlyMap<string, string>): Model {
  return {
    format: 'pytorch',
    files: [file],
    tensors,
    graph: null,
    functions: new Map(),
    opsets: new Map(),
    metadata,
    plan: (edits) => toPlan(file, edits),
    close() {
      file.source.close();
    },
  };
}

/** @throws FormatError FORMAT_READ_ONLY for any edit */
function toPlan({ name, source }: ModelFile, edits: readonly ModelEdit[]): RewritePlan {
  if (edits.length > 0) throw new FormatError('FORMAT_READ_ONLY', { fields: { file: name } });
  return { files: [{ name, ops: [{ kind: 'keep', source, start: 0, end: source.size }] }] };
}
