import { build, newObject, reduce } from "./globals.ts"
import type { Machine } from "./machine.ts"
import type { PickleValue } from "./pickleValue.ts"
import { kindOf } from "./pickleValue.ts"

/** What an opcode does; `at` is the byte at which it stands. */
export type Opcode = (machine: Machine, at: number) => void

/** The longest whole number, in bytes: far above any that a checkpoint needs. */
const MAX_LONG_BYTES = 255
/** The longest module or name of a global. */
const MAX_GLOBAL_BYTES = 1024

const constant = (value: PickleValue): Opcode => ({ push }) => push(value)

/** A whole number in two's complement, little-endian: a number where it is exact. */
const long = (bytes: Uint8Array): number | bigint => {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0)
  const signed = BigInt.asIntN(8 * bytes.length, value)
  const near = Number(signed)
  return Number.isSafeInteger(near) ? near : signed
}

type Length = (machine: Machine) => number
const byte: Length = ({ cursor }) => cursor.byte()
const uint32: Length = ({ cursor }) => cursor.uint32()
const uint64: Length = ({ cursor }) => cursor.uint64()

const text = (length: Length): Opcode => (machine, at) => machine.push(machine.text(length(machine), at))
const bytes = (length: Length): Opcode => (machine) => machine.push(machine.cursor.bytes(length(machine)))
const tuple = (count: number): Opcode => ({ push, popMany }, at) => push({ kind: "tuple", items: popMany(count, at) })

const proto: Opcode = ({ cursor, failures }, at) => {
  const version = cursor.byte()
  if (version < 2 || version > 5) throw failures.malformed(at, "protocol 2 to 5", `protocol ${version}`, "unsupported")
}

/** Frames only group opcodes: their length is checked and they are read on. */
const frame: Opcode = ({ cursor, failures }, at) => {
  const length = cursor.uint64()
  if (length === 0) throw failures.malformed(at, "a frame with content", "an empty one")
}

const global: Opcode = (machine, at) => {
  const decode = (line: Uint8Array): string => String.fromCharCode(...line)
  const module = decode(machine.cursor.line(MAX_GLOBAL_BYTES))
  machine.push(machine.global(module, decode(machine.cursor.line(MAX_GLOBAL_BYTES)), at))
}

const stackGlobal: Opcode = (machine, at) => {
  const [name, module] = [machine.pop(at), machine.pop(at)]
  if (typeof name !== "string" || typeof module !== "string") {
    throw machine.failures.malformed(at, "a module and a name", `${kindOf(module)} and ${kindOf(name)}`)
  }
  machine.push(machine.global(module, name, at))
}

const longOf = (length: Length): Opcode => (machine, at) => {
  const count = length(machine)
  if (count > MAX_LONG_BYTES) {
    throw machine.failures.malformed(at, `a number of at most ${MAX_LONG_BYTES} bytes`, `${count}`, "tooLarge")
  }
  machine.push(long(machine.cursor.bytes(count)))
}

const reduceTop: Opcode = (machine, at) => {
  const [args, callable] = [machine.pop(at), machine.pop(at)]
  machine.push(reduce(machine, callable, args, at))
}

const newTop: Opcode = (machine, at) => {
  const [args, type] = [machine.pop(at), machine.pop(at)]
  machine.push(newObject(machine, type, args, at))
}

const buildTop: Opcode = (machine, at) => {
  const state = machine.pop(at)
  build(machine, machine.peek(at), state, at)
}

/** The closed list, by code: what torch writes in protocols 2 to 5. STOP is the reader's own. */
export const opcodes: Readonly<Record<number, Opcode>> = {
  0x80: proto,
  0x95: frame,
  0x28: ({ mark }) => mark(),
  0x4e: constant(null),
  0x88: constant(true),
  0x89: constant(false),
  0x4a: ({ push, cursor }) => push(cursor.int32()),
  0x4b: ({ push, cursor }) => push(cursor.byte()),
  0x4d: ({ push, cursor }) => push(cursor.uint16()),
  0x8a: longOf(byte),
  0x8b: longOf(uint32),
  0x47: ({ push, cursor }) => push(cursor.double()),
  0x58: text(uint32), // BINUNICODE
  0x8c: text(byte), // SHORT_BINUNICODE
  0x8d: text(uint64), // BINUNICODE8
  0x54: text(uint32), // BINSTRING, as Python 2 wrote its texts
  0x55: text(byte), // SHORT_BINSTRING
  0x42: bytes(uint32),
  0x43: bytes(byte),
  0x8e: bytes(uint64),
  0x5d: ({ push }) => push({ kind: "list", items: [] }),
  0x61: (machine, at) => machine.append([machine.pop(at)], at),
  0x65: (machine, at) => machine.append(machine.popMark(at), at),
  0x29: ({ push }) => push({ kind: "tuple", items: [] }),
  0x74: ({ push, popMark }, at) => push({ kind: "tuple", items: popMark(at) }),
  0x85: tuple(1),
  0x86: tuple(2),
  0x87: tuple(3),
  0x7d: ({ push }) => push({ kind: "dict", entries: new Map(), isOrdered: false }),
  0x73: (machine, at) => machine.setItems(machine.popMany(2, at), at),
  0x75: (machine, at) => machine.setItems(machine.popMark(at), at),
  0x63: global,
  0x93: stackGlobal,
  0x52: reduceTop,
  0x81: newTop,
  0x62: buildTop,
  0x51: (machine, at) => machine.push(machine.persistent(machine.pop(at), at)),
  0x71: ({ remember, cursor }, at) => remember(cursor.byte(), at),
  0x72: ({ remember, cursor }, at) => remember(cursor.uint32(), at),
  0x94: ({ remember }, at) => remember("next", at),
  0x68: ({ push, recall, cursor }, at) => push(recall(cursor.byte(), at)),
  0x6a: ({ push, recall, cursor }, at) => push(recall(cursor.uint32(), at))
}

/** Opcodes that pickle knows and this reader refuses, for messages. */
export const opcodeNames: ReadonlyMap<number, string> = new Map([
  [0x30, "POP"],
  [0x31, "POP_MARK"],
  [0x32, "DUP"],
  [0x46, "FLOAT"],
  [0x49, "INT"],
  [0x4c, "LONG"],
  [0x50, "PERSID"],
  [0x53, "STRING"],
  [0x56, "UNICODE"],
  [0x64, "DICT"],
  [0x67, "GET"],
  [0x69, "INST"],
  [0x6c, "LIST"],
  [0x6f, "OBJ"],
  [0x70, "PUT"],
  [0x82, "EXT1"],
  [0x83, "EXT2"],
  [0x84, "EXT4"],
  [0x8f, "EMPTY_SET"],
  [0x90, "ADDITEMS"],
  [0x91, "FROZENSET"],
  [0x92, "NEWOBJ_EX"],
  [0x96, "BYTEARRAY8"],
  [0x97, "NEXT_BUFFER"],
  [0x98, "READONLY_BUFFER"]
])
