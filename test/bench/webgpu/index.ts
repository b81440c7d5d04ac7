/**
 * Our WebGPU engine against tfjs's own WebGPU kernels on the same adapter, the same operations composed of them, and
 * against PyTorch on the same card: the nine measurements of a machine with a GPU in one command and ten minutes,
 *
 *     node --conditions=source test/bench/webgpu/index.ts --all --runtime node,deno --peer tfjs-webgpu,pytorch --out FILE
 *
 * products, attention, norms and optimizer as shares of a copy's speed, a block, a tower and a step with their dispatches
 * and the time to record them, an empty dispatch, an answer of 4 bytes, compiling, memory, and Deno's wgpu beside Dawn.
 * All sides take turns; warm-up is not counted. `ratio` is the peer's median by ours (how often faster we are); of
 * `memory` ours by the peer's. Without a card it runs small sizes on SwiftShader. What cannot be measured is a line that
 * says why. Prints one JSON object a line (DESIGN section 5), progress on stderr.
 */
import { spawn } from "node:child_process"
import { appendFileSync } from "node:fs"
import process from "node:process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { findRuntime, type RuntimeName, sourceArguments } from "../../../scripts/runtime.ts"
import { environmentFor } from "./environment.ts"
import { type Options, optionsOf, UsageError } from "./options.ts"
import { lineOf, type Name } from "./row.ts"

const begin = performance.now()
const note = (text: string): void => void process.stderr.write(`${text}\n`)

const options = ((): Options => {
  try {
    return optionsOf(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    note(error.message)
    process.exit(2)
  }
})()

const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
  if (options.out !== undefined) appendFileSync(options.out, `${line}\n`)
}

const fieldsOf = (line: string): Readonly<Record<string, unknown>> => JSON.parse(line)

/** Lines for everything that was asked for in a runtime and cannot come. */
const none = (
  runtime: RuntimeName,
  reason: Readonly<{ skipped: string } | { failed: string }>,
  isMissing: (name: Name) => boolean = () => true
): void => {
  for (const name of options.only.filter(isMissing)) {
    print(lineOf({ name, shape: "all", peer: "all", ...reason }, options.adapter, runtime))
  }
}

const measureIn = (runtime: RuntimeName, seconds: number): Promise<void> => {
  const path = findRuntime(runtime)
  if (path === undefined) {
    none(runtime, { skipped: `${runtime} is not installed: npm ci brings it where a package exists` })
    return Promise.resolve()
  }
  const adapter = environmentFor(options.adapter)
  if ("missing" in adapter) {
    none(runtime, { skipped: adapter.missing })
    return Promise.resolve()
  }
  note(`-- ${runtime}, ${options.adapter}`)
  const file = fileURLToPath(new URL("./place.ts", import.meta.url))
  const asked: Options = { ...options, budgetSeconds: Math.round(seconds) }
  const child = spawn(path, [...sourceArguments[runtime], file, JSON.stringify(asked)], {
    env: { ...process.env, ...adapter.env },
    stdio: ["ignore", "pipe", "inherit"]
  })
  const seen = new Set<unknown>()
  return new Promise((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (!line.startsWith("{")) return note(line)
      print(line)
      const { name, failed } = fieldsOf(line)
      seen.add(name)
      if (failed !== undefined) process.exitCode = 1
    })
    child.on("error", (error) => note(`${runtime} did not start: ${error.message}`))
    child.on("close", (code, signal) => {
      if (code !== 0) {
        none(runtime, { failed: `${runtime} ended early, with ${signal ?? `code ${code}`}` }, (name) => !seen.has(name))
        process.exitCode = 1
      }
      resolve()
    })
  })
}

for (const [i, runtime] of options.runtimes.entries()) {
  const left = options.budgetSeconds - (performance.now() - begin) / 1000
  await measureIn(runtime, Math.max(1, left / (options.runtimes.length - i)))
}
