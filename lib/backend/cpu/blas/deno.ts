import { call, type Ffi, isFunction, member, type NativeFunction, type NoFfi, toAddress } from "./ffi.ts"

const types = { int: "i32", float: "f32", address: "usize", void: "void", text: "pointer" } as const

/**
 * Deno's way to call C: Deno.dlopen. Only where --allow-ffi was given for everything, since Deno gives no address of a
 * memory to a program that may load certain libraries only. It never makes Deno ask the user.
 */
export const openDeno = (): Ffi | NoFfi => {
  const deno = member(globalThis, "Deno")
  const state = member(call(member(deno, "permissions"), "querySync", { name: "ffi" }), "state")
  if (state !== "granted") {
    return { missing: "Deno may not call a shared library", advice: "run it with --allow-ffi, without names" }
  }
  const pointers = member(deno, "UnsafePointer")
  return {
    load: (path) => {
      const open = (symbols: object): unknown => call(deno, "dlopen", path, symbols)
      const handles: Array<unknown> = [open({})]
      return {
        bind: (name, takes, gives) => {
          const parameters = takes.map((type) => types[type])
          const handle = open({ [name]: { parameters, result: types[gives], optional: true } })
          handles.push(handle)
          const bound = member(member(handle, "symbols"), name)
          if (!isFunction(bound)) return undefined
          const text: NativeFunction = (...words) =>
            call(member(deno, "UnsafePointerView"), "getCString", bound(...words))
          return gives === "text" ? text : bound
        },
        close: () => {
          for (const handle of handles.splice(0)) call(handle, "close")
        }
      }
    },
    addressOf: (bytes) => toAddress(call(pointers, "value", call(pointers, "of", bytes)))
  }
}
