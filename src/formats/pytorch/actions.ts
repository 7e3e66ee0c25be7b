/** What each pickle opcode does to the symbolic stack. */
import { findFloat, findInt, findLong, findQuoted, findRawUnicode, findUtf8, toLong } from './literals.ts';
import { toStorage } from './calls.ts';
import type { PickleMachine } from './machine.ts';
import type { Op } from './opcode-reader.ts';
import { type OpcodeName, PROTOCOL_MAX } from './opcodes.ts';
import { type DictNode, findNode, type GlobalNode, type ListNode, type Node, UNKNOWN, type Value } from './values.ts';

const toTuple = (items: readonly Value[]): Node => ({ kind: 'tuple', items });
const toList = (items: Value[]): ListNode => ({ kind: 'list', items });
const toDict = (): DictNode => ({ kind: 'dict', entries: [] });

function takeTuple(machine: PickleMachine, count: number): void {
  const items: Value[] = [];
  for (let i = 0; i < count; i++) items.unshift(machine.pop());
  machine.pushNode(toTuple(items));
}

function readIndex(machine: PickleMachine, op: Op): number | undefined {
  const value = findLong(machine.short(op)?.toString('latin1').trim() ?? '');
  return typeof value === 'number' ? value : undefined;
}

type Action = (machine: PickleMachine, op: Op) => void;

const pushValue: Action = (machine, op) => {
  machine.push(op.value);
};
const pushText: Action = (machine, op) => {
  machine.pushText(op, findUtf8);
};
/** Strings of Python 2: PyTorch reads them as UTF-8, pickle as ASCII; names are ASCII. */
const pushRawText: Action = (machine, op) => {
  machine.pushText(op, (bytes) => findUtf8(bytes) ?? bytes.toString('latin1'));
};
const pushLong: Action = (machine, op) => {
  const bytes = machine.short(op);
  machine.pushNumber(bytes === undefined ? undefined : toLong(bytes));
};
const pushBytes: Action = (machine, op) => {
  machine.pushBytes(op);
};
const ignore: Action = () => undefined;
const pushExtension: Action = (machine, op) => {
  // The code stands for a name that only the loading process knows.
  const node: GlobalNode = { kind: 'global', name: `extension ${op.value}`, severity: 'dangerous' };
  machine.find(node);
  machine.pushNode(node);
};
const pushPersistent: Action = (machine) => {
  machine.note('PYTORCH_STORAGE', { problem: 'a persistent id that is no storage' });
  machine.push(UNKNOWN);
};
const takeBuffer: Action = (machine) => {
  machine.misused('the pickle needs buffers from outside');
  machine.push(UNKNOWN);
};

/** What each opcode does. The table is complete by its type; its prototype is null. */
export const ACTIONS: Readonly<Record<Exclude<OpcodeName, 'STOP'>, Action>> = Object.freeze(
  Object.assign(Object.create(null) as Record<Exclude<OpcodeName, 'STOP'>, Action>, {
    PROTO: (machine, op) => {
      if (op.value > PROTOCOL_MAX) machine.note('PYTORCH_PICKLE_OPCODE', { protocol: op.value });
    },
    FRAME: ignore,
    MARK: (machine) => {
      machine.mark();
    },
    POP: (machine) => {
      machine.popOrMark();
    },
    POP_MARK: (machine) => {
      machine.popToMark();
    },
    DUP: (machine) => {
      machine.push(machine.peek());
    },
    NONE: (machine) => {
      machine.push(null);
    },
    NEWTRUE: (machine) => {
      machine.push(true);
    },
    NEWFALSE: (machine) => {
      machine.push(false);
    },
    INT: (machine, op) => {
      const bytes = machine.short(op);
      machine.pushNumber(bytes === undefined ? undefined : findInt(bytes));
    },
    LONG: (machine, op) => {
      machine.pushNumber(findLong(machine.short(op)?.toString('latin1').trim() ?? ''));
    },
    FLOAT: (machine, op) => {
      const bytes = machine.short(op);
      machine.pushNumber(bytes === undefined ? undefined : findFloat(bytes));
    },
    BININT: pushValue,
    BININT1: pushValue,
    BININT2: pushValue,
    BINFLOAT: pushValue,
    LONG1: pushLong,
    LONG4: pushLong,
    STRING: (machine, op) => {
      machine.pushText(op, findQuoted);
    },
    BINSTRING: pushRawText,
    SHORT_BINSTRING: pushRawText,
    UNICODE: (machine, op) => {
      machine.pushText(op, findRawUnicode);
    },
    BINUNICODE: pushText,
    SHORT_BINUNICODE: pushText,
    BINUNICODE8: pushText,
    BINBYTES: pushBytes,
    SHORT_BINBYTES: pushBytes,
    BINBYTES8: pushBytes,
    BYTEARRAY8: pushBytes,
    NEXT_BUFFER: takeBuffer,
    READONLY_BUFFER: takeBuffer,
    EMPTY_TUPLE: (machine) => {
      machine.pushNode(toTuple([]));
    },
    TUPLE1: (machine) => {
      takeTuple(machine, 1);
    },
    TUPLE2: (machine) => {
      takeTuple(machine, 2);
    },
    TUPLE3: (machine) => {
      takeTuple(machine, 3);
    },
    TUPLE: (machine) => {
      machine.pushNode(toTuple(machine.popToMark()));
    },
    EMPTY_LIST: (machine) => {
      machine.pushNode(toList([]));
    },
    LIST: (machine) => {
      machine.pushNode(toList(machine.popToMark()));
    },
    EMPTY_DICT: (machine) => {
      machine.pushNode(toDict());
    },
    DICT: (machine) => {
      const flat = machine.popToMark();
      const dict = toDict();
      machine.setEntries(dict, flat);
      machine.pushNode(dict);
    },
    EMPTY_SET: (machine) => {
      machine.pushNode({ kind: 'set' });
    },
    FROZENSET: (machine) => {
      machine.popToMark();
      machine.pushNode({ kind: 'set' });
    },
    ADDITEMS: (machine) => {
      machine.popToMark();
      const target = machine.peek();
      if (findNode(target, 'set') === undefined && findNode(target, 'call') === undefined)
        machine.misused('items are added to what is no set');
    },
    APPEND: (machine) => {
      const item = machine.pop();
      machine.appendItems(machine.peek(), [item]);
    },
    APPENDS: (machine) => {
      const items = machine.popToMark();
      machine.appendItems(machine.peek(), items);
    },
    SETITEM: (machine) => {
      const value = machine.pop();
      const key = machine.pop();
      machine.setEntries(machine.peek(), [key, value]);
    },
    SETITEMS: (machine) => {
      const flat = machine.popToMark();
      machine.setEntries(machine.peek(), flat);
    },
    PUT: (machine, op) => {
      machine.put(readIndex(machine, op));
    },
    BINPUT: (machine, op) => {
      machine.put(op.value);
    },
    LONG_BINPUT: (machine, op) => {
      machine.put(op.value);
    },
    MEMOIZE: (machine) => {
      machine.memoize();
    },
    GET: (machine, op) => {
      machine.get(readIndex(machine, op));
    },
    BINGET: (machine, op) => {
      machine.get(op.value);
    },
    LONG_BINGET: (machine, op) => {
      machine.get(op.value);
    },
    GLOBAL: (machine, op) => {
      machine.push(machine.toGlobal(machine.line(op.start, op.end), machine.line(op.start2, op.end2)));
    },
    STACK_GLOBAL: (machine) => {
      const name = machine.pop();
      machine.push(machine.toGlobal(machine.pop(), name));
    },
    INST: (machine, op) => {
      const callee = machine.toGlobal(machine.line(op.start, op.end), machine.line(op.start2, op.end2));
      machine.call(callee, machine.popToMark());
    },
    OBJ: (machine) => {
      const [callee = UNKNOWN, ...args] = machine.popToMark();
      if (callee === UNKNOWN) machine.misused('there is no class');
      machine.call(callee, args);
    },
    NEWOBJ: (machine) => {
      const args = machine.toArguments(machine.pop());
      machine.call(machine.pop(), args);
    },
    NEWOBJ_EX: (machine) => {
      machine.pop(); // keyword arguments
      const args = machine.toArguments(machine.pop());
      machine.call(machine.pop(), args);
    },
    REDUCE: (machine) => {
      const args = machine.toArguments(machine.pop());
      machine.call(machine.pop(), args);
    },
    BUILD: (machine) => {
      const state = machine.pop();
      machine.build(machine.peek(), state);
    },
    EXT1: pushExtension,
    EXT2: pushExtension,
    EXT4: pushExtension,
    PERSID: pushPersistent,
    BINPERSID: (machine) => {
      machine.push(toStorage(machine, machine.pop()));
    },
  } satisfies Record<Exclude<OpcodeName, 'STOP'>, Action>),
);
