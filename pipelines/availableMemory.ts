import { Effect, FileSystem } from "effect"

/** Memory that a process may still take, in bytes, and who says so. */
export interface AvailableMemory {
  readonly bytes: number
  /** For people: `the machine has free`, `the container's limit leaves`. */
  readonly of: string
}

const textOf = (file: string): Effect.Effect<string | undefined, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(file)).pipe(
    // The files exist on Linux only, and a container shows some of them.
    Effect.catchTag("PlatformError", () => Effect.succeed(undefined))
  )

const bytesIn = (text: string | undefined): number => text === undefined ? Number.NaN : Number.parseInt(text.trim(), 10)

/** `MemAvailable` of /proc/meminfo in bytes; undefined where the text has none. */
export const memAvailableIn = (meminfo: string | undefined): number | undefined => {
  const found = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo ?? "")
  return found === null ? undefined : 1024 * Number(found[1])
}

const limits = [
  ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"],
  [
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    "/sys/fs/cgroup/memory/memory.stat"
  ]
] as const

/** What the limit of a container leaves; files that are cached and not in use count as free. */
const underLimit: Effect.Effect<number | undefined, never, FileSystem.FileSystem> = Effect.gen(function* () {
  for (const [limitFile, usageFile, statFile] of limits) {
    const limit = bytesIn(yield* textOf(limitFile))
    const usage = bytesIn(yield* textOf(usageFile))
    if (!Number.isFinite(limit) || !Number.isFinite(usage)) continue
    const cached = Number(/^(?:total_)?inactive_file (\d+)$/m.exec((yield* textOf(statFile)) ?? "")?.[1] ?? 0)
    return limit - Math.max(0, usage - cached)
  }
  return undefined
})

/**
 * What may still be taken: on Linux `MemAvailable`, or what a container's limit leaves where that is less. Elsewhere the
 * system does not say what it could free, so it is all of the machine's memory, `totalBytes`.
 */
export const availableMemory = (
  totalBytes: number
): Effect.Effect<AvailableMemory, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const free = memAvailableIn(yield* textOf("/proc/meminfo"))
    const machine = free === undefined ?
      { bytes: totalBytes, of: "the machine has" } :
      { bytes: free, of: "the machine has free" }
    const left = yield* underLimit
    return left !== undefined && left < machine.bytes ? { bytes: left, of: "the container's limit leaves" } : machine
  })
