import { call, type Ffi, isFunction, member, type NativeFunction, toAddress } from "./ffi.ts"

const types = { int: "i32", float: "f32", address: "ptr", void: "void", text: "cstring" } as const

/** Bun's way to call C: bun:ffi, asked of the process, so that bundlers do not look for it. */
export const openBun = (): Ffi => {
  const ffi = call(member(globalThis, "process"), "getBuiltinModule", "bun:ffi")
  /** Bun's dlopen takes at least one name and fails when one is missing: a handle for each, undefined where it is. */
  const open = (path: string, name: string, signature: object): unknown => {
    try {
      return call(ffi, "dlopen", path, { [name]: signature })
    } catch (cause) {
      if (cause instanceof Error && cause.message.startsWith("Symbol")) return undefined
      throw cause
    }
  }
  return {
    load: (path) => {
      const handles: Array<unknown> = [open(path, "cblas_sgemm", { args: [], returns: "void" })]
      return {
        bind: (name, takes, gives) => {
          const handle = open(path, name, { args: takes.map((type) => types[type]), returns: types[gives] })
          const bound = member(member(handle, "symbols"), name)
          if (!isFunction(bound)) return undefined
          handles.push(handle)
          const text: NativeFunction = (...words) => String(bound(...words))
          return gives === "text" ? text : bound
        },
        close: () => {
          for (const handle of handles.splice(0)) if (handle !== undefined) call(handle, "close")
        }
      }
    },
    addressOf: (bytes) => toAddress(call(ffi, "ptr", bytes))
  }
}
