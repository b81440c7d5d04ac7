import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { fold, keyOf, uniformSequence } from "../../lib/tensor/index.ts"
import { writePairs } from "../cli/command.ts"
import { temporary } from "./tiny.ts"

const child = fileURLToPath(new URL("./trainChild.ts", import.meta.url))

/** How one process ended, and how long it lived after its first change to the checkpoints. */
interface Life {
  readonly end: "finished" | "killed"
  readonly trainedMs: number
}

const namesIn = (dir: string): string =>
  existsSync(join(dir, "checkpoints")) ? readdirSync(join(dir, "checkpoints")).join() : ""

/**
 * Runs the training process. With `killAfterMs` it is killed so long after it first changed its checkpoints: from then
 * on it trains and saves, so the moment falls into steps, reads and saves, not into the loading of modules.
 */
const attempt = (shards: string, dir: string, killAfterMs?: number): Promise<Life> =>
  new Promise((resolve, reject) => {
    const args = ["--conditions=source", child, shards, dir]
    const started = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] })
    let stderr = ""
    let began: number | undefined
    const before = namesIn(dir)
    started.stderr.on("data", (chunk: Uint8Array) => stderr += new TextDecoder().decode(chunk))
    const watch = setInterval(() => {
      if (began === undefined && namesIn(dir) !== before) {
        began = performance.now()
        if (killAfterMs !== undefined) setTimeout(() => started.kill("SIGKILL"), killAfterMs)
      }
    }, 1)
    started.on("exit", (code, signal) => {
      clearInterval(watch)
      const trainedMs = began === undefined ? 0 : performance.now() - began
      if (signal === "SIGKILL") resolve({ end: "killed", trainedMs })
      else if (code === 0) resolve({ end: "finished", trainedMs })
      else reject(new Error(`the training process ended with ${code ?? signal}: ${stderr}`))
    })
  })

/** Weights, optimizer and validations of a run that ended; which step was the best is in the latter. */
const bitsOf = (dir: string): ReadonlyArray<Buffer> =>
  ["checkpoints/step-60/model.safetensors", "checkpoints/step-60/optimizer.safetensors", "validation.jsonl"].map((
    file
  ) => readFileSync(join(dir, file)))

/** What a series of kills gave. */
export interface Killed {
  readonly kills: number
  readonly isEqual: boolean
}

/**
 * Kills a training process with SIGKILL at random moments of its training until it was killed `kills` times, lets it end,
 * and compares the bits with those of an uninterrupted run. A series that ends early begins another run.
 */
export const killAndCompare = async (kills: number, seed: number): Promise<Killed> => {
  const [shards, whole] = [temporary(), temporary()]
  await writePairs(shards)
  const { trainedMs } = await attempt(shards, whole)
  const expected = bitsOf(whole)
  const next = uniformSequence(fold(keyOf(seed), "kills"))
  let done = 0
  while (done < kills) {
    const dir = temporary()
    // Short lives, so that one run is killed several times before it ends.
    while (done < kills && (await attempt(shards, dir, next() * trainedMs / 3)).end === "killed") done += 1
    await attempt(shards, dir)
    if (!bitsOf(dir).every((bits, i) => bits.equals(expected[i] ?? Buffer.alloc(0)))) {
      return { kills: done, isEqual: false }
    }
  }
  return { kills: done, isEqual: true }
}
