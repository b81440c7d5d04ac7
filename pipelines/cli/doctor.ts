import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { availableParallelism, freemem, totalmem } from "node:os"
import process from "node:process"
import type { BackendName } from "../../lib/backend/index.ts"
import { Backend, describeAdapter } from "../../lib/backend/index.ts"
import { ImageDecoder } from "../../lib/image/index.ts"
import { encodePng } from "../../lib/image/sharp.ts"
import { files, live } from "../node.ts"
import { version } from "../version.ts"
import type { DiffclipCommand } from "./command.ts"
import { CheckFailed } from "./errors.ts"
import { backend, json } from "./flags.ts"

/** One finding: what was looked at, what was found, and whether that is good. */
interface Finding {
  readonly name: string
  readonly found: string
  readonly isGood: boolean
}

const messageOf = (error: { readonly message: string }): string => error.message

/** The engine with its canaries (they run when the layer is built), or why it was refused. */
const engine = (name: BackendName): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const { announcement, memory } = yield* Backend
    const { peakBytes } = yield* memory
    return [
      { name: "engine", found: announcement, isGood: true },
      {
        name: "canaries",
        found: `every fused kernel and gradient agrees with its definition (${peakBytes} bytes used)`,
        isGood: true
      }
    ]
  }).pipe(
    Effect.provide(live({ backend: name, progress: "silent", softwareAdapter: "allow" })),
    Effect.catch((error) => Effect.succeed([{ name: "engine", found: messageOf(error), isGood: false }]))
  )

/** Writes a picture and reads it back. */
const decoding: Effect.Effect<Finding> = Effect.gen(function* () {
  const decoder = yield* ImageDecoder
  const data = Uint8Array.of(255, 0, 0, 0, 255, 0)
  const image = yield* decoder.decode(yield* encodePng({ width: 2, height: 1, data }))
  const isGood = image.data.every((level, i) => level === data[i])
  return { name: "decoding", found: isGood ? "PNG comes back to the byte" : "PNG comes back changed", isGood }
}).pipe(
  Effect.provide(files),
  Effect.catch((error) => Effect.succeed({ name: "decoding", found: messageOf(error), isGood: false }))
)

const gibibytes = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`

/** `diffclip doctor [--json]`: what is here, what works, what is missing. */
export const doctorCommand: DiffclipCommand<"doctor"> = Command.make(
  "doctor",
  { backend, json },
  (flags) =>
    Effect.gen(function* () {
      const findings: ReadonlyArray<Finding> = [
        { name: "diffclip", found: version, isGood: true },
        { name: "runtime", found: `${navigator.userAgent} on ${process.platform} ${process.arch}`, isGood: true },
        { name: "cores", found: `${availableParallelism()}`, isGood: true },
        {
          name: "memory",
          found: `${gibibytes(freemem())} free of ${gibibytes(totalmem())}`,
          isGood: freemem() > 2 ** 29
        },
        ...(yield* engine(flags.backend)),
        yield* decoding,
        { name: "webgpu", found: yield* describeAdapter, isGood: true },
        { name: "blas", found: "this version has no BLAS path: products run in WebAssembly", isGood: true }
      ]
      yield* Console.log(
        flags.json ?
          JSON.stringify(Object.fromEntries(findings.map(({ name, found, isGood }) => [name, { found, isGood }]))) :
          findings.map(({ name, found, isGood }) => `${isGood ? "ok " : "BAD"}  ${name.padEnd(9)}  ${found}`).join("\n")
      )
      const bad = findings.filter(({ isGood }) => !isGood)
      if (bad.length > 0) {
        return yield* new CheckFailed({ message: `${bad.map(({ name }) => name).join(", ")}: see above` })
      }
    })
).pipe(Command.withDescription("say what works here and what is missing"))
