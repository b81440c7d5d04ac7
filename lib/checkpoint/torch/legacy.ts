import { Effect } from "effect"
import { dtypeBytes } from "../dtypes.ts"
import type { CheckpointError, UnsafePickle } from "../errors.ts"
import { attempt, type PickleFailures, pickleFailures } from "./failures.ts"
import type { PickleValue } from "./pickleValue.ts"
import { isDict, isList, kindOf } from "./pickleValue.ts"
import type { ByteSource } from "./source.ts"
import type { Storages } from "./storages.ts"
import { makeStorages } from "./storages.ts"
import type { TorchContents } from "./torchFile.ts"
import { maxPickleBytes, unpickle } from "./unpickle.ts"

const MAGIC = 0x1950a86a20f9469cfc6cn
const PROTOCOL = 1001

interface Head {
  readonly root: PickleValue
  readonly keys: ReadonlyArray<string>
  /** Where the storages start. */
  readonly end: number
}

const isLittle = (info: PickleValue): boolean => isDict(info) && info.entries.get("little_endian") === true

const keysOf = ({ malformed }: PickleFailures, list: PickleValue, at: number): ReadonlyArray<string> => {
  const items = isList(list) ? list.items : []
  const keys = items.filter((key) => typeof key === "string")
  if (!isList(list) || keys.length !== items.length) throw malformed(at, "a list of storage keys", kindOf(list))
  if (new Set(keys).size !== keys.length) throw malformed(at, "each storage key once", "one twice")
  return keys
}

/** The five pickles at the front: magic number, protocol, system, object, keys. */
const readHead = (bytes: Uint8Array, failures: PickleFailures, { resolve, byKey }: Storages): Head => {
  const { malformed } = failures
  const plain = (id: PickleValue, at: number): never => {
    throw malformed(at, "a plain value", `a persistent id, ${kindOf(id)}`)
  }
  const magic = unpickle(bytes, 0, { failures, persistent: plain })
  if (magic.value !== MAGIC) throw malformed(0, "torch's magic number", "another value")
  const protocol = unpickle(bytes, magic.end, { failures, persistent: plain })
  if (protocol.value !== PROTOCOL) {
    throw malformed(magic.end, `protocol ${PROTOCOL}`, String(protocol.value).slice(0, 20), "unsupported")
  }
  const system = unpickle(bytes, protocol.end, { failures, persistent: plain })
  if (!isLittle(system.value)) {
    throw malformed(protocol.end, "the system info of a little-endian machine", kindOf(system.value), "unsupported")
  }
  const object = unpickle(bytes, system.end, { failures, persistent: resolve })
  const list = unpickle(bytes, object.end, { failures, persistent: plain })
  const keys = keysOf(failures, list.value, object.end)
  const named = new Set(keys)
  for (const key of byKey.keys()) {
    if (!named.has(key)) throw malformed(object.end, `storage ${JSON.stringify(key.slice(0, 80))} in the list`, "none")
  }
  return { root: object.value, keys, end: list.end }
}

/** The contents of a file from before torch 1.6: five pickles, then a count and the elements of each storage. */
export const readLegacy = (source: ByteSource): Effect.Effect<TorchContents, CheckpointError | UnsafePickle> =>
  Effect.gen(function* () {
    const failures = pickleFailures(source.file)
    const storages = makeStorages(failures, source.numBytes)
    const bytes = yield* source.read(0, Math.min(source.numBytes, maxPickleBytes))
    const { root, keys, end } = yield* attempt(() => readHead(bytes, failures, storages))
    const places = new Map<string, number>()
    let at = end
    for (const key of keys) {
      const storage = storages.byKey.get(key)
      const shown = JSON.stringify(key.slice(0, 80))
      if (storage === undefined) return yield* failures.malformed(end, `storage ${shown} in the object`, "none")
      const count = yield* source.read(at, 8)
      const numel = new DataView(count.buffer, count.byteOffset, 8).getBigInt64(0, true)
      if (numel !== BigInt(storage.numel)) {
        return yield* failures.malformed(at, `${storage.numel} elements of storage ${shown}`, `${numel}`)
      }
      // Elements that are not decoded have sizes that are not known: nothing after them can be found.
      if (storage.dtype === undefined) {
        return yield* failures.malformed(at, "plain element types", storage.className, "unsupported")
      }
      places.set(key, at + 8)
      at += 8 + storage.numel * dtypeBytes[storage.dtype]
    }
    if (at !== source.numBytes) {
      return yield* failures.malformed(end, `${at - end} bytes of storages`, `${source.numBytes - end}`)
    }
    const readStorage: TorchContents["readStorage"] = ({ key, dtype }, begin, length) =>
      source.read((places.get(key) ?? source.numBytes) + begin * dtypeBytes[dtype], length * dtypeBytes[dtype])
    return { container: "legacy", root, records: [], readStorage }
  })
