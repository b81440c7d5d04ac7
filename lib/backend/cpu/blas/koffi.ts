import { call, type Ffi, isFunction, member, type NoFfi, toAddress } from "./ffi.ts"

const types = { int: "int", float: "float", address: "uintptr_t", void: "void", text: "str" } as const

/**
 * koffi's prebuilt binary for this machine, which is all of koffi, else koffi where somebody installed it: the package
 * koffi itself has an install script, of which npm warns, for the sake of machines that have no prebuilt binary.
 */
const namesFor = (platform: string, arch: string): ReadonlyArray<string> => [
  `@koromix/koffi-${platform}-${arch}`,
  "koffi"
]

/** Node's way to call C: koffi, loaded when it is asked for and never by name, so that bundlers do not look for it. */
export const openKoffi = (): Ffi | NoFfi => {
  const process = member(globalThis, "process")
  const names = namesFor(String(member(process, "platform")), String(member(process, "arch")))
  const load = call(call(process, "getBuiltinModule", "node:module"), "createRequire", import.meta.url)
  const faults: Array<string> = []
  for (const name of names) {
    try {
      if (isFunction(load)) return ffiOf(load(name))
    } catch (cause) {
      faults.push(cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause))
    }
  }
  return { missing: `no FFI package for Node (${faults.join("; ")})`, advice: "`npm install koffi`" }
}

const ffiOf = (koffi: unknown): Ffi => ({
  load: (path) => {
    const library = call(koffi, "load", path)
    return {
      bind: (name, takes, gives) => {
        try {
          const bound = call(library, "func", name, types[gives], takes.map((type) => types[type]))
          return isFunction(bound) ? bound : undefined
        } catch (cause) {
          if (cause instanceof Error && /cannot find function/i.test(cause.message)) return undefined
          throw cause
        }
      },
      close: () => void call(library, "unload")
    }
  },
  addressOf: (bytes) => toAddress(call(koffi, "address", bytes))
})
