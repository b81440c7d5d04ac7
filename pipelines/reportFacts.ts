import { type Fact, formatNumber, type Session } from "../lib/track/index.ts"
import { type AnyRecord, isRecord } from "./record.ts"

const fact = (name: string, value: string | number | null | undefined): ReadonlyArray<Fact> =>
  value === undefined || value === null || value === "" ?
    [] :
    [{ name, value: typeof value === "number" ? formatNumber(value, 4) : value }]

const within = (record: AnyRecord, ...path: ReadonlyArray<string>): unknown =>
  path.reduce((at: unknown, key) => isRecord(at) ? at[key] : undefined, record)

const text = (value: unknown): string | number | undefined =>
  typeof value === "string" || typeof value === "number" ? value : undefined

/** What a run was of: the facts at the head of its page. */
export const factsOf = (config: AnyRecord, sessions: ReadonlyArray<Session>): ReadonlyArray<Fact> => {
  const { numParameters, numSamples } = sessions.at(-1)?.begin ?? {}
  const [batchSize, updateFreq] = [within(config, "train", "batchSize"), within(config, "train", "updateFreq")]
  const accumulated = typeof updateFreq === "number" && updateFreq > 1 ? ` × ${updateFreq}` : ""
  return [
    ...fact("model", text(within(config, "model", "name"))),
    ...fact("parameters", numParameters),
    ...fact("data set", text(within(config, "dataset", "name"))),
    ...fact("pairs in it", numSamples),
    ...fact("fingerprint", text(within(config, "dataset", "fingerprint"))?.toString().slice(0, 12)),
    ...fact("batch", typeof batchSize === "number" ? `${formatNumber(batchSize)}${accumulated} pairs` : undefined),
    ...fact("loss", text(config["loss"])),
    ...fact("optimizer", text(config["optimizer"])),
    ...fact("seed", text(within(config, "train", "seed"))?.toString())
  ]
}

const date = (ms: number): string => {
  const at = new Date(ms)
  return Number.isNaN(at.getTime()) ? "–" : at.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC")
}

/** Where a run ran: the newest session in full, the earlier ones in a line each; without sessions, its checkpoint's word. */
export const environmentOf = (
  sessions: ReadonlyArray<Session>,
  state: AnyRecord | undefined
): ReadonlyArray<Fact> => {
  const last = sessions.at(-1)
  if (last === undefined) {
    return state === undefined ? [] : [
      ...fact("engine path", text(state["enginePath"])),
      ...fact("library", text(within(state, "versions", "library"))),
      ...fact("runtime", text(within(state, "versions", "runtime")))
    ]
  }
  const { begin } = last
  return [
    ...fact("engine", begin.engine),
    ...fact("engine path", begin.enginePath),
    ...fact("library", `diffclip ${begin.library}`),
    ...fact("runtime", begin.runtime),
    ...fact("command", begin.command),
    ...sessions.flatMap(({ begin, end }, i) =>
      fact(
        sessions.length === 1 ? "session" : `session ${i + 1}`,
        `${date(begin.atMs)} to ${end === undefined ? "an unknown end" : date(end.atMs)}, from step ${begin.step}` +
          (end === undefined ? "" : ` to ${end.step}, ${end.status}`)
      )
    )
  ]
}
