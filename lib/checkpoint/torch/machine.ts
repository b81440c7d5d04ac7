import type { ByteCursor } from "./byteCursor.ts"
import type { PickleFailures } from "./failures.ts"
import type { CallContext } from "./globals.ts"
import type { PickleDict, PickleValue } from "./pickleValue.ts"
import { isDict, isList, isNode, kindOf } from "./pickleValue.ts"

/** What calls may make in all, besides what stands in the pickle itself: 16 MiB. */
const MAX_MADE_BYTES = 16 * 1024 * 1024

/** The state of a pickle that is being read: a stack with marks, a memo, and the input. */
export interface Machine extends CallContext {
  readonly cursor: ByteCursor
  readonly push: (value: PickleValue) => void
  /** Takes the top of the stack, but nothing below the last mark. */
  readonly pop: (at: number) => PickleValue
  readonly peek: (at: number) => PickleValue
  readonly mark: () => void
  /** Takes everything above the last mark, and the mark. */
  readonly popMark: (at: number) => Array<PickleValue>
  readonly popMany: (count: number, at: number) => ReadonlyArray<PickleValue>
  readonly remember: (index: number | "next", at: number) => void
  readonly recall: (index: number, at: number) => PickleValue
  readonly append: (items: ReadonlyArray<PickleValue>, at: number) => void
  readonly setItems: (pairs: ReadonlyArray<PickleValue>, at: number) => void
  readonly text: (length: number, at: number) => string
  readonly persistent: (id: PickleValue, at: number) => PickleValue
  readonly global: (module: string, name: string, at: number) => PickleValue
  /** The one value that is left at the end. */
  readonly result: (at: number) => PickleValue
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** A dict's keys are texts, numbers, bools or None: lists and dicts are none in Python either. */
const put = (
  { malformed }: PickleFailures,
  { entries }: PickleDict,
  key: PickleValue,
  value: PickleValue,
  at: number
) => {
  if (isNode(key) || key instanceof Uint8Array) throw malformed(at, "a key that is text or a number", kindOf(key))
  entries.set(key, value)
}

/** An empty machine over `cursor`. */
export const makeMachine = (
  failures: PickleFailures,
  cursor: ByteCursor,
  lookUp: Pick<Machine, "persistent" | "global">
): Machine => {
  const stack: Array<PickleValue> = []
  const marks: Array<number> = []
  const memo = new Map<number, PickleValue>()
  let made = 0
  const { malformed } = failures
  const floor = (): number => marks.at(-1) ?? 0
  const peek = (at: number): PickleValue => {
    const top = stack.at(-1)
    if (top === undefined || stack.length <= floor()) throw malformed(at, "a value on the stack", "none")
    return top
  }
  const pop = (at: number): PickleValue => {
    const top = peek(at)
    stack.length--
    return top
  }
  return {
    failures,
    cursor,
    ...lookUp,
    push: (value) => void stack.push(value),
    pop,
    peek,
    mark: () => void marks.push(stack.length),
    popMark: (at) => {
      const begin = marks.pop()
      if (begin === undefined) throw malformed(at, "a mark on the stack", "none")
      return stack.splice(begin)
    },
    popMany: (count, at) => {
      if (stack.length - count < floor()) throw malformed(at, `${count} values on the stack`, "fewer")
      return stack.splice(stack.length - count)
    },
    remember: (index, at) => void memo.set(index === "next" ? memo.size : index, peek(at)),
    recall: (index, at) => {
      const value = memo.get(index)
      if (value === undefined) throw malformed(at, `a value in the memo under ${index}`, "none")
      return value
    },
    append: (items, at) => {
      const list = peek(at)
      if (!isList(list)) throw malformed(at, "a list to append to", kindOf(list))
      for (const item of items) list.items.push(item)
    },
    setItems: (pairs, at) => {
      const dict = peek(at)
      if (!isDict(dict)) throw malformed(at, "a dict to put entries into", kindOf(dict))
      if (pairs.length % 2 !== 0) throw malformed(at, "keys and values in pairs", `${pairs.length} values`)
      for (let i = 0; i < pairs.length; i += 2) put(failures, dict, pairs[i] ?? null, pairs[i + 1] ?? null, at)
    },
    text: (length, at) => {
      const bytes = cursor.bytes(length)
      try {
        return decoder.decode(bytes)
      } catch (error) {
        if (error instanceof TypeError) throw malformed(at, "a text in UTF-8", "other bytes")
        throw error
      }
    },
    spend: (numBytes, at) => {
      made += numBytes
      if (made > MAX_MADE_BYTES) {
        throw malformed(at, `at most ${MAX_MADE_BYTES} bytes made by calls`, `${made}`, "tooLarge")
      }
    },
    result: (at) => {
      const value = peek(at)
      if (stack.length === 1 && marks.length === 0) return value
      throw malformed(at, "one value at the end", `${stack.length} and ${marks.length} marks`)
    }
  }
}
