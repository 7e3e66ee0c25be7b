/** Names that a pickle would import, judged without importing them. */
import { STORAGE_DTYPES, TORCH_DTYPES } from './dtypes.ts';

/**
 * allowlisted: needed for tensors, harmless by itself. dangerous: known to run code, reach the system or load further
 * pickles. unknown: everything else; loading imports the module, and what the name does is not known here.
 */
export type Severity = 'allowlisted' | 'unknown' | 'dangerous';

/** Names of Python 2 and of private twins, as protocols below 3 spell them. */
const MODULE_ALIASES: ReadonlyMap<string, string> = new Map([
  ['__builtin__', 'builtins'],
  ['copy_reg', 'copyreg'],
  ['exceptions', 'builtins'],
]);

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** By module; names must match whole, so a dotted name is never in it. */
const ALLOWED: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['collections', new Set(words('OrderedDict defaultdict Counter'))],
  ['builtins', new Set(words('set frozenset bytearray bytes complex dict list tuple int float str bool slice range'))],
  [
    'torch',
    new Set([
      ...STORAGE_DTYPES.keys(),
      ...TORCH_DTYPES.keys(),
      ...words('Size Tensor device UntypedStorage strided sparse_coo sparse_csr sparse_csc sparse_bsr sparse_bsc'),
      ...words('per_tensor_affine per_tensor_symmetric per_channel_affine per_channel_symmetric'),
      'per_channel_affine_float_qparams',
    ]),
  ],
  // How protocols below 3 write bytes.
  ['_codecs', new Set(['encode'])],
  ['torch.storage', new Set(words('UntypedStorage TypedStorage _UntypedStorage _TypedStorage'))],
  ['torch.serialization', new Set(['_get_layout'])],
  ['torch.nn.parameter', new Set(words('Parameter Buffer'))],
  ['torch._tensor', new Set(['_rebuild_from_type_v2'])],
  [
    'torch._utils',
    new Set(
      words(`_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter _rebuild_parameter_with_state
        _rebuild_qtensor _rebuild_sparse_tensor _rebuild_meta_tensor_no_storage _rebuild_device_tensor_from_cpu_tensor`),
    ),
  ],
  [
    'torch.jit._pickle',
    new Set(words('build_intlist build_tensorlist build_doublelist build_boollist restore_type_tag')),
  ],
]);

/** Modules of which any name is dangerous: they run code, open files and connections, or load further pickles. */
const DANGEROUS_MODULES = new Set(
  words(`os posix nt posixpath ntpath sys subprocess _posixsubprocess pty tty commands popen2 shutil shlex
    builtins importlib _frozen_importlib _frozen_importlib_external imp pkgutil zipimport runpy zipapp code codeop
    pickle _pickle cPickle dill cloudpickle joblib marshal shelve jsonpickle
    operator _operator inspect gc ast dis opcode symtable
    ctypes _ctypes cffi mmap socket _socket socketserver ssl asyncio selectors http httplib urllib urllib2 requests
    aiohttp httpx ftplib smtplib poplib imaplib nntplib telnetlib xmlrpc webbrowser cgi wsgiref
    threading _thread thread multiprocessing concurrent signal resource fcntl
    pdb bdb cmd trace tracemalloc profile cProfile timeit doctest unittest pydoc pip ensurepip venv setuptools
    pkg_resources distutils site sitecustomize idlelib lib2to3 turtledemo test
    tempfile glob fileinput codecs _codecs linecache tarfile zipfile sqlite3 dbm platform getpass antigravity`),
);

/** Names, or beginnings of them, that are dangerous in a module that is not. */
const DANGEROUS_PREFIXES: readonly string[] = words(`types.FunctionType types.CodeType types.MethodType
  copyreg.add_ copyreg.pickle copyreg.constructor logging.FileHandler logging.handlers logging.config io.FileIO _io.FileIO
  argparse.FileType torch.hub torch.load torch.save torch.jit torch.package torch.ops
  torch.classes torch._dynamo torch._inductor torch._C torch.fx torch.distributed torch.multiprocessing torch.compile
  torch.utils.cpp_extension torch.utils.bottleneck torch.utils.collect_env torch.utils._config_module torch.utils.data
  torch.utils.model_zoo torch.cuda.memory torch.cuda._ torch.serialization torch.testing torch.from_file
  numpy.load numpy.save numpy.fromfile numpy.testing numpy.f2py numpy.distutils numpy.ctypeslib numpy.lib numpy.memmap
  pandas.read_ pandas.io pandas.core.computation scipy.io keras.models tensorflow.io`);

/** Parts of any dotted name that reach the system or the interpreter, whatever module they start from. */
const DANGEROUS_PARTS = new Set(
  words(`os sys subprocess posix nt builtins importlib ctypes pickle marshal eval exec execfile compile system popen
    spawn getattr setattr delattr globals locals vars open input breakpoint runpy run_module run_path load_module
    run_code run_string runstring run_command check_output check_call Popen write_text write_bytes unlink rmdir rmtree
    remove rename chmod symlink_to`),
);

/** Judges `module` and `name` of a GLOBAL, STACK_GLOBAL or INST. */
export function toSeverity(module: string, name: string): Severity {
  const canonical = MODULE_ALIASES.get(module) ?? module;
  if (ALLOWED.get(canonical)?.has(name) === true) return 'allowlisted';
  if (isTorchScriptClass(canonical, name)) return 'allowlisted';
  const full = `${canonical}.${name}`;
  const parts = full.split('.');
  const isDangerous =
    DANGEROUS_MODULES.has(parts[0]) ||
    parts.some((part) => DANGEROUS_PARTS.has(part) || /^__.*__$/.test(part)) ||
    DANGEROUS_PREFIXES.some((prefix) => full.startsWith(prefix));
  return isDangerous ? 'dangerous' : 'unknown';
}

/** Classes of a TorchScript archive, which exist in its own code only. */
function isTorchScriptClass(module: string, name: string): boolean {
  return (module === '__torch__' || module.startsWith('__torch__.')) && !name.includes('.');
}

/** One spelling for messages and for finding the meaning of a call: "builtins.set". */
export function toGlobalName(module: string, name: string): string {
  return `${MODULE_ALIASES.get(module) ?? module}.${name}`;
}
