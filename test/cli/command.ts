import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { writeShards } from "../../lib/data/index.ts"
import { encodePng } from "../../lib/image/sharp.ts"
import { samples } from "../pipelines/tiny.ts"

const main = fileURLToPath(new URL("../../pipelines/cli/main.ts", import.meta.url))

/** What a command printed and how it ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts the CLI from source; `onStart` gets the process, to signal it. */
export const diffclip = (
  args: ReadonlyArray<string>,
  onStart: (child: ChildProcess) => void = () => {}
): Promise<Ended> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, ["--conditions=source", main, ...args], { stdio: ["ignore", "pipe", "pipe"] })
    const out = { stdout: "", stderr: "" }
    child.stdout.on("data", (chunk: Uint8Array) => out.stdout += new TextDecoder().decode(chunk))
    child.stderr.on("data", (chunk: Uint8Array) => out.stderr += new TextDecoder().decode(chunk))
    child.on("close", (code) => resolve({ code, ...out }))
    onStart(child)
  })

/** Forty pairs as shards, each also with a class of four. */
export const writePairs = (dir: string): Promise<unknown> =>
  Effect.gen(function* () {
    const stored = yield* Effect.forEach(samples, ({ key, image, captions }, i) =>
      Effect.map(encodePng(image), (png) => ({
        key,
        members: {
          png,
          txt: new TextEncoder().encode(captions.join("\n")),
          cls: new TextEncoder().encode(`${i % 4}`)
        }
      })))
    return yield* writeShards(dir, stored, { samplesPerShard: 16 })
  }).pipe(Effect.provide(Layer.mergeAll(NodeServices.layer)), Effect.runPromise)
