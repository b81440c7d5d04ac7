import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { fold, keyOf, uniformSequence } from "../../lib/tensor/index.ts"
import { temporary } from "./tiny.ts"

const child = fileURLToPath(new URL("./trainChild.ts", import.meta.url))

/** Runs the training process; kills it after so many milliseconds where they are given. */
const attempt = (dir: string, killAfterMs?: number): Promise<"finished" | "killed"> =>
  new Promise((resolve, reject) => {
    const started = spawn(process.execPath, ["--conditions=source", child, dir], {
      stdio: ["ignore", "ignore", "pipe"]
    })
    let stderr = ""
    started.stderr.on("data", (chunk: Uint8Array) => stderr += new TextDecoder().decode(chunk))
    const timer = killAfterMs === undefined ? undefined : setTimeout(() => started.kill("SIGKILL"), killAfterMs)
    started.on("exit", (code, signal) => {
      clearTimeout(timer)
      if (signal === "SIGKILL") resolve("killed")
      else if (code === 0) resolve("finished")
      else reject(new Error(`the training process ended with ${code ?? signal}: ${stderr}`))
    })
  })

const bitsOf = (dir: string): ReadonlyArray<Buffer> =>
  ["model.safetensors", "optimizer.safetensors"].map((file) => readFileSync(join(dir, "checkpoints", "step-60", file)))

/** What a series of kills gave. */
export interface Killed {
  readonly kills: number
  readonly isEqual: boolean
}

/**
 * Kills a training process with SIGKILL at random moments (of a seed that is printed in the failure) until it was killed
 * `kills` times or ended by itself, lets it end, and compares the bits with those of an uninterrupted run. A series
 * that ends early begins another run, so that `kills` kills take place.
 */
export const killAndCompare = async (kills: number, seed: number): Promise<Killed> => {
  const whole = temporary()
  const begin = performance.now()
  await attempt(whole)
  const wholeMs = performance.now() - begin
  const expected = bitsOf(whole)
  const next = uniformSequence(fold(keyOf(seed), "kills"))
  let done = 0
  while (done < kills) {
    const dir = temporary()
    while (done < kills && await attempt(dir, next() * wholeMs) === "killed") done += 1
    await attempt(dir)
    if (!bitsOf(dir).every((bits, i) => bits.equals(expected[i] ?? Buffer.alloc(0)))) {
      return { kills: done, isEqual: false }
    }
  }
  return { kills: done, isEqual: true }
}
