import type { PickleFailures } from "./failures.ts"
import { numpyScalar } from "./numpy.ts"
import type { PickleDict, PickleObject, PickleValue } from "./pickleValue.ts"
import { isDict, isGlobal, isNode, isObject, isTensor, isTuple, kindOf } from "./pickleValue.ts"
import { rebuildTensor, storageClasses } from "./storages.ts"

/** What a call of a listed global needs: how to fail, and how many bytes calls may still make. */
export interface CallContext {
  readonly failures: PickleFailures
  readonly spend: (numBytes: number, at: number) => void
}

type Call = (context: CallContext, args: ReadonlyArray<PickleValue>, at: number) => PickleValue

const orderedDict: Call = ({ failures }, args, at): PickleDict => {
  if (args.length > 0) {
    throw failures.malformed(at, "an OrderedDict that is filled afterwards", `${args.length} arguments`)
  }
  return { kind: "dict", entries: new Map(), isOrdered: true }
}

const objectOf = (name: string): Call => (_, args): PickleObject => ({ kind: "object", name, args })

const parameter: Call = ({ failures }, args, at) => {
  const [tensor, requiresGrad] = args
  if (args.length === 3 && isTensor(tensor) && typeof requiresGrad === "boolean") return { ...tensor, requiresGrad }
  throw failures.malformed(at, "a parameter's tensor, flag and hooks", args.map(kindOf).join(", "))
}

/** Text to bytes, one character each: how protocol 2 holds bytes. */
const encode: Call = ({ failures, spend }, args, at) => {
  const [text, encoding] = args
  if (args.length !== 2 || typeof text !== "string" || (encoding !== "latin1" && encoding !== "latin-1")) {
    throw failures.malformed(at, "a text and latin1", args.map(kindOf).join(", "))
  }
  spend(text.length, at)
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 255) throw failures.malformed(at, "characters up to 255", `${code}`)
    bytes[i] = code
  }
  return bytes
}

const scalar: Call = ({ failures }, args, at) => numpyScalar(failures, args, at)

/**
 * The closed list: the eight globals of the published files (REFERENCE 4.5), parameters, and newer spellings of the same.
 * Each call makes inert values with the code above; nothing is looked up by the name that a file gives.
 */
const calls: ReadonlyMap<string, Call> = new Map<string, Call>([
  ["collections OrderedDict", orderedDict],
  ["torch._utils _rebuild_tensor_v2", ({ failures }, args, at) => rebuildTensor(failures, args, at)],
  ["torch._utils _rebuild_parameter", parameter],
  ["argparse Namespace", objectOf("argparse Namespace")],
  ["pathlib PosixPath", objectOf("pathlib PosixPath")],
  ["pathlib._local PosixPath", objectOf("pathlib PosixPath")],
  ["numpy.core.multiarray scalar", scalar],
  ["numpy._core.multiarray scalar", scalar],
  ["numpy dtype", objectOf("numpy dtype")],
  ["_codecs encode", encode]
])

/** Classes whose instances may be made without a call (NEWOBJ). */
const classes: ReadonlySet<string> = new Set(["collections OrderedDict", "argparse Namespace"])
const MAX_NAME = 80

/** A name in a message: short, and without what a terminal would obey. */
const shown = (name: string): string =>
  `${name.slice(0, MAX_NAME).replace(/\p{C}/gu, "\ufffd")}${name.length > MAX_NAME ? "…" : ""}`.replace(" ", ".")

/** The global of that module and name. Throws UnsafePickle where it is not on the list. */
export const globalOf = ({ unsafe }: PickleFailures, module: string, name: string, at: number): PickleValue => {
  const full = `${module} ${name}`
  if (!calls.has(full) && !storageClasses.has(full)) throw unsafe(at, `global ${shown(full)}`)
  return { kind: "global", name: full }
}

/** What REDUCE makes of a callable and its arguments. Throws UnsafePickle where the callable is none of the list's. */
export const reduce = (
  context: CallContext,
  callable: PickleValue,
  args: PickleValue,
  at: number
): PickleValue => {
  const call = isGlobal(callable) ? calls.get(callable.name) : undefined
  if (call === undefined) {
    const name = isGlobal(callable) ? shown(callable.name) : kindOf(callable)
    throw context.failures.unsafe(at, `a call of ${name}`)
  }
  if (!isTuple(args)) throw context.failures.malformed(at, "a tuple of arguments", kindOf(args))
  return call(context, args.items, at)
}

/** What NEWOBJ makes: an empty OrderedDict or Namespace. Throws UnsafePickle for other classes. */
export const newObject = (context: CallContext, type: PickleValue, args: PickleValue, at: number): PickleValue => {
  if (isGlobal(type) && classes.has(type.name)) return reduce(context, type, args, at)
  throw context.failures.unsafe(at, `an instance of ${isGlobal(type) ? shown(type.name) : kindOf(type)}`)
}

/** What BUILD does: notes the state of an OrderedDict, a Namespace or a dtype. Throws UnsafePickle for anything else. */
export const build = ({ failures }: CallContext, target: PickleValue, state: PickleValue, at: number): void => {
  if (isDict(target) && target.isOrdered && isDict(state)) target.attributes = state
  else if (isObject(target) && target.name === "argparse Namespace" && isDict(state)) target.state = state
  else if (isObject(target) && target.name === "numpy dtype" && isTuple(state)) target.state = state
  else {
    const name = isObject(target) ? shown(target.name) : kindOf(target)
    throw failures.unsafe(at, `a BUILD of ${name} from ${isNode(state) ? `a ${state.kind}` : kindOf(state)}`)
  }
}
