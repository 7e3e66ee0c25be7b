/** The few calls whose meaning is known: what they would give, described. */
import type { ErrorCode, ErrorFields } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { DTYPES, type DType, findElementCount } from '../../model/dtype.ts';
import { STORAGE_DTYPES, TORCH_DTYPES } from './dtypes.ts';
import { findNode, type Node, type StorageNode, type TensorNode, UNKNOWN, type Value } from './values.ts';

/** Where a call stands: the place for messages, and what was described so far. */
export interface CallSite {
  readonly at: number;
  readonly tensors: TensorNode[];
  /** By key. */
  readonly storages: Map<string, StorageNode>;
  /** @throws FormatError unless the reading is lenient */
  note(code: ErrorCode, fields?: ErrorFields): void;
  /** Counts heap that a value takes. */
  spend(bytes: number): void;
}

const TENSOR_BYTES = 256;
const STORAGE_BYTES = 192;

/**
 * What calling the allowlisted `name` gives, or undefined when nothing needs to be known of it.
 * @throws FormatError PYTORCH_TENSOR | PYTORCH_DTYPE | PYTORCH_SHAPE unless lenient
 */
export function callGlobal(site: CallSite, name: string, args: readonly Value[]): Value | undefined {
  return CALLS.get(name)?.(site, args);
}

type Call = (site: CallSite, args: readonly Value[]) => Value | undefined;

const CALLS: ReadonlyMap<string, Call> = new Map<string, Call>([
  ['collections.OrderedDict', (site, [items]) => toDict(site, items)],
  ['collections.Counter', (site, [items]) => toDict(site, items)],
  ['collections.defaultdict', (site) => toDict(site, undefined)],
  ['builtins.dict', (site, [items]) => toDict(site, items)],
  ['builtins.list', (site, [items]) => toList(site, items)],
  ['builtins.tuple', (_, [items]) => ({ kind: 'tuple', items: findItems(items) ?? [] })],
  ['builtins.set', () => ({ kind: 'set' })],
  ['builtins.frozenset', () => ({ kind: 'set' })],
  ['torch.Size', (_, [sizes]) => sizes],
  ['torch._utils._rebuild_tensor', (site, args) => toTensor(site, args)],
  ['torch._utils._rebuild_tensor_v2', (site, args) => toTensor(site, args)],
  ['torch._utils._rebuild_tensor_v3', (site, args) => toTensor(site, args, args[6])],
  [
    'torch._utils._rebuild_qtensor',
    (site, [storage, offset, sizes, strides, , grad]) => toTensor(site, [storage, offset, sizes, strides, grad]),
  ],
  ['torch._utils._rebuild_parameter', (site, [data]) => expectTensor(site, data)],
  ['torch._utils._rebuild_parameter_with_state', (site, [data]) => expectTensor(site, data)],
  ['torch.nn.parameter.Parameter', (site, [data]) => expectTensor(site, data)],
  ['torch.nn.parameter.Buffer', (site, [data]) => expectTensor(site, data)],
  ['torch._tensor._rebuild_from_type_v2', rebuildFromType],
  ['torch._utils._rebuild_sparse_tensor', rebuildSparse],
  ['torch._utils._rebuild_device_tensor_from_cpu_tensor', (site, [data]) => expectTensor(site, data)],
  ['torch.jit._pickle.restore_type_tag', (_, [value]) => value],
  ['torch.jit._pickle.build_intlist', (_, [value]) => value],
  ['torch.jit._pickle.build_tensorlist', (_, [value]) => value],
  ['torch.jit._pickle.build_doublelist', (_, [value]) => value],
  ['torch.jit._pickle.build_boollist', (_, [value]) => value],
]);

function findItems(value: Value | undefined): readonly Value[] | undefined {
  return (findNode(value, 'list') ?? findNode(value, 'tuple'))?.items;
}

/** Copies are paid for: one opcode could ask for a copy of a million items. */
function toList(site: CallSite, value: Value | undefined): Node {
  const items = findItems(value) ?? [];
  site.spend(8 * items.length);
  return { kind: 'list', items: [...items] };
}

/** A dict from nothing, from another dict, or from pairs. */
function toDict(site: CallSite, value: Value | undefined): Node {
  const known = findNode(value, 'dict')?.entries ?? [];
  const items = findItems(value) ?? [];
  site.spend(48 * (known.length + items.length));
  const entries: (readonly [Value, Value])[] = [...known];
  for (const item of items) {
    const pair = findItems(item);
    if (pair?.length === 2) entries.push([pair[0], pair[1]]);
  }
  return { kind: 'dict', entries };
}

function expectTensor(site: CallSite, data: Value | undefined): Value {
  if (findNode(data, 'tensor') === undefined && findNode(data, 'call') === undefined) {
    site.note('PYTORCH_TENSOR', { problem: 'a parameter of what is no tensor' });
  }
  return data ?? UNKNOWN;
}

/** A tensor subclass: the plain tensor that it wraps. @see torch/_tensor.py `_rebuild_from_type_v2` */
function rebuildFromType(site: CallSite, [rebuild, , args]: readonly Value[]): Value | undefined {
  const name = findNode(rebuild, 'global')?.name;
  if (name?.startsWith('torch._utils._rebuild_') !== true) return undefined;
  return callGlobal(site, name, findItems(args) ?? []);
}

/** Index tensors, values, size, and whether equal indices were summed. */
const SPARSE_PARTS_MAX = 5;

/** A sparse tensor: its parts, by the names that its layout gives them. */
function rebuildSparse(_: CallSite, [, data]: readonly Value[]): Value {
  const parts = (findItems(data) ?? [])
    .slice(0, SPARSE_PARTS_MAX)
    .filter((part) => findNode(part, 'tensor') !== undefined);
  const names = parts.length === 2 ? ['indices', 'values'] : ['compressed_indices', 'plain_indices', 'values'];
  return { kind: 'dict', entries: parts.map((part, i) => [names[i] ?? String(i), part] as const) };
}

function toTensor(site: CallSite, args: readonly Value[], dtypeArgument?: Value): Value {
  const [storageArgument, offset, sizesArgument, stridesArgument, grad] = args;
  const storage = findNode(storageArgument, 'storage');
  const sizes = findItems(sizesArgument);
  const strides = findItems(stridesArgument);
  if (storage === undefined || sizes === undefined || sizes.length !== strides?.length) {
    site.note('PYTORCH_TENSOR', { problem: 'no storage, sizes or strides' });
    return UNKNOWN;
  }
  const dtype = dtypeArgument === undefined ? storage.dtype : findDType(site, dtypeArgument);
  if (dtype === undefined) return UNKNOWN;
  if (dtype === null) {
    site.note('PYTORCH_TENSOR', { problem: 'an untyped storage and no type', key: storage.key });
    return UNKNOWN;
  }
  const isShort = sizes.length <= FORMAT_LIMITS.dimensionsMax;
  if (
    !isShort ||
    !isCount(offset) ||
    !areCounts(sizes) ||
    !areCounts(strides) ||
    findElementCount(sizes) === undefined
  ) {
    site.note('PYTORCH_SHAPE', { key: storage.key, rank: sizes.length });
    return UNKNOWN;
  }
  site.spend(TENSOR_BYTES + 16 * sizes.length);
  const { at } = site;
  const tensor: TensorNode = {
    kind: 'tensor',
    storage,
    dtype,
    offset,
    sizes,
    strides,
    requiresGrad: grad === true,
    at,
  };
  site.tensors.push(tensor);
  return tensor;
}

function isCount(value: Value | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function areCounts(values: readonly Value[]): values is readonly number[] {
  return values.every(isCount);
}

function findDType(site: CallSite, value: Value | undefined): DType | undefined {
  const name = findNode(value, 'global')?.name ?? '';
  const dtype = name.startsWith('torch.') ? TORCH_DTYPES.get(name.slice('torch.'.length)) : undefined;
  if (dtype === undefined || dtype === null) site.note('PYTORCH_DTYPE', { dtype: name });
  return dtype ?? undefined;
}

/**
 * The storage of a persistent id ('storage', class, key, location, element count).
 * @throws FormatError PYTORCH_STORAGE | PYTORCH_DTYPE unless lenient
 * @see torch/serialization.py `persistent_id`
 */
export function toStorage(site: CallSite, id: Value): Value {
  const [tag, type, key, , count] = findNode(id, 'tuple')?.items ?? [];
  const typeName = findNode(type, 'global')?.name;
  if (tag !== 'storage' || typeName === undefined || typeof key !== 'string' || !isCount(count)) {
    site.note('PYTORCH_STORAGE', { problem: 'a persistent id that is no storage' });
    return UNKNOWN;
  }
  const dtype = findStorageDType(typeName);
  if (dtype === undefined) {
    site.note('PYTORCH_DTYPE', { storage: typeName, key });
    return UNKNOWN;
  }
  const known = site.storages.get(key);
  if (known !== undefined) {
    // PyTorch keeps the first and ignores what the second says.
    if (known.dtype !== dtype || known.elementCount !== count)
      site.note('PYTORCH_STORAGE', { key, problem: 'said twice' });
    return known;
  }
  const bits = count * (dtype === null ? 8 : DTYPES[dtype].bits);
  if (!Number.isSafeInteger(bits)) site.note('PYTORCH_STORAGE', { key, elements: count });
  site.spend(STORAGE_BYTES);
  const storage: StorageNode = { kind: 'storage', dtype, key, elementCount: count, at: site.at };
  site.storages.set(key, storage);
  return storage;
}

/** null for untyped bytes, undefined for what is not read. */
function findStorageDType(typeName: string): DType | null | undefined {
  if (/^torch\.(?:storage\.)?_?UntypedStorage$/.test(typeName)) return null;
  const dtype = typeName.startsWith('torch.') ? STORAGE_DTYPES.get(typeName.slice('torch.'.length)) : undefined;
  return dtype ?? undefined;
}

/** The element size in bytes of a storage; 1 for untyped ones. */
export function toStorageElementBytes({ dtype }: StorageNode): number {
  return dtype === null ? 1 : DTYPES[dtype].bits / 8;
}
