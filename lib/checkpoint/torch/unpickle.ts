import { byteCursor } from "./byteCursor.ts"
import type { PickleFailures } from "./failures.ts"
import { globalOf } from "./globals.ts"
import type { Machine } from "./machine.ts"
import { makeMachine } from "./machine.ts"
import { opcodeNames, opcodes } from "./opcodes.ts"
import type { PickleValue } from "./pickleValue.ts"

/** The most bytes of a pickle that are looked at. The published checkpoint of 1.8 GB has a pickle of some 200 kB. */
export const maxPickleBytes: number = 64 * 1024 * 1024
/** The most opcodes of a file: each may make a value of some hundred bytes. */
export const maxOpcodes: number = 2 ** 21

/** What a pickle is read with. */
export interface UnpickleOptions {
  readonly failures: PickleFailures
  /** What a persistent id stands for. Throws what `failures` makes for one that stands for nothing. */
  readonly persistent: (id: PickleValue, offset: number) => PickleValue
}

/** A value, and the byte after it. */
export interface Unpickled {
  readonly value: PickleValue
  readonly end: number
}

const refusalOf = (code: number): string => {
  const name = opcodeNames.get(code)
  return name === undefined ? `unknown opcode 0x${code.toString(16).padStart(2, "0")}` : `opcode ${name}`
}

/**
 * Reads one pickle from `start`: protocols 2 to 5, a closed list of opcodes and globals, inert values. Time and memory
 * are proportional to the bytes read; nothing recurses. Throws UnsafePickle for an opcode or a global that is not on the
 * list, and CheckpointError for any other damage. Source: Python's pickletools; REFERENCE 4.5.
 */
export const unpickle = (input: Uint8Array, start: number, { failures, persistent }: UnpickleOptions): Unpickled => {
  const cursor = byteCursor(
    input,
    start,
    (offset, wanted) => failures.malformed(offset, wanted, `the end, ${input.length - offset} bytes on`)
  )
  const machine: Machine = makeMachine(failures, cursor, {
    persistent,
    global: (module, name, at) => globalOf(failures, module, name, at)
  })
  for (let count = 0; count < maxOpcodes; count++) {
    const at = cursor.offset()
    const code = cursor.byte()
    if (code === 0x2e) return { value: machine.result(at), end: cursor.offset() }
    const run = opcodes[code]
    if (run === undefined) throw failures.unsafe(at, refusalOf(code))
    run(machine, at)
  }
  throw failures.malformed(cursor.offset(), `a pickle of at most ${maxOpcodes} opcodes`, "more", "tooLarge")
}
