import { Effect } from "effect"
import { type ConfigInvalid, invalid } from "../errors.ts"

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return text // `loss.name=exact` needs no quotes
    throw error
  }
}

type Tree = { [name: string]: unknown }

const isTree = (input: unknown): input is Tree => typeof input === "object" && input !== null && !Array.isArray(input)

/** Names that reach an object's prototype instead of a field. */
const reserved: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"])

/**
 * `path=value` pairs as a configuration record: `batchSize=256`, `schedule.peak=1e-3`, `length={"epochs":3}`. Values are
 * JSON, or plain text where they are none. Later pairs win. Fails with ConfigInvalid where there is no `=`.
 */
export const fromAssignments = (pairs: ReadonlyArray<string>): Effect.Effect<Tree, ConfigInvalid> =>
  Effect.gen(function* () {
    const root: Tree = {}
    for (const pair of pairs) {
      const at = pair.indexOf("=")
      if (at < 1) return yield* invalid(pair, "expected path=value, for example schedule.peak=1e-3")
      const names = pair.slice(0, at).trim().split(".")
      if (names.some((name) => reserved.has(name))) return yield* invalid(pair, "expected the path of a field")
      const last = names.pop() ?? ""
      let node = root
      for (const name of names) {
        const child = node[name]
        const next: Tree = isTree(child) ? child : {}
        node[name] = next
        node = next
      }
      node[last] = parse(pair.slice(at + 1).trim())
    }
    return root
  })
