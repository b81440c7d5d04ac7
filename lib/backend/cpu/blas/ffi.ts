/** What C functions take here: an `int` of 32 bits, a `float`, or a pointer given as a plain number. */
export type ArgumentType = "int" | "float" | "address"

/** What C functions give here: `text` is a `char *` that ends in 0, copied. */
export type ResultType = "int" | "void" | "text"

/** A C function. A result of `void` is undefined. */
export type NativeFunction = (...words: ReadonlyArray<number>) => unknown

/** A shared library that was loaded. */
export interface NativeLibrary {
  /** The function of that name, or undefined where the library has none. */
  readonly bind: (
    name: string,
    takes: ReadonlyArray<ArgumentType>,
    gives: ResultType
  ) => NativeFunction | undefined
  /** Gives up this thread's hold on the library; its functions must not be called any more. */
  readonly close: () => void
}

/** A runtime's way to call C. One implementation each: koffi.ts (Node), bun.ts, deno.ts. */
export interface Ffi {
  /** Loads a library by path or by a name that the system's loader resolves. Throws an Error that says why not. */
  readonly load: (path: string) => NativeLibrary
  /** Where the first byte of a shared memory lies in the process; it never moves, however the memory grows. */
  readonly addressOf: (bytes: Uint8Array) => number
}

/** A runtime that cannot call C here, and what to do about it. */
export interface NoFfi {
  readonly missing: string
  readonly advice: string
}

/** Whether a value is a function, for what comes from an untyped module. */
export const isFunction = (value: unknown): value is (...args: ReadonlyArray<unknown>) => unknown =>
  typeof value === "function"

/** A member of an object of unknown make. */
export const member = (value: unknown, name: string): unknown =>
  (typeof value === "object" && value !== null) || isFunction(value) ? Reflect.get(value, name) : undefined

/** Calls a member of an object of unknown make. Throws TypeError where it is no function. */
export const call = (value: unknown, name: string, ...args: ReadonlyArray<unknown>): unknown => {
  const method = member(value, name)
  if (!isFunction(method)) throw new TypeError(`expected a function ${name}, found ${typeof method}`)
  return Reflect.apply(method, value, args)
}

/** An address as a plain number: runtimes give some of them as bigint. Throws RangeError for what is none. */
export const toAddress = (value: unknown): number => {
  const address = typeof value === "bigint" ? Number(value) : value
  if (typeof address === "number" && Number.isSafeInteger(address) && address > 0) return address
  throw new RangeError(`expected the address of a memory, found ${String(value)}`)
}
