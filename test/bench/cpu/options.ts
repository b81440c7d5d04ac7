/** The benchmark's command line. */
import process from "node:process"
import { parseArgs } from "node:util"
import type { ClipConfig } from "../../../lib/models/index.ts"
import { type RuntimeName, runtimeNames } from "../../../scripts/runtime.ts"
import { models } from "./models.ts"
import { type Name, names } from "./row.ts"

/** Our engines as the table names them. */
export const ourBackends = ["cpu-blas", "cpu-wasm", "cpu-wasm-deterministic"] as const
/** One of them. */
export type OurBackend = (typeof ourBackends)[number]

/** What is asked for. */
export interface Options {
  readonly backends: ReadonlyArray<OurBackend>
  readonly runtimes: ReadonlyArray<RuntimeName>
  readonly only: ReadonlyArray<Name>
  readonly runs: number
  readonly warmUp: number
  readonly batch: number
  readonly largeBatch: number
  readonly threads: number
  readonly modelName: string
  readonly model: ClipConfig
  readonly small: ClipConfig
  readonly largeLayers: number | undefined
  readonly out: string | undefined
}

const usage = `test/bench/cpu: our CPU engine against PyTorch, tfjs and jax-js, in turns
  --backend NAME,...   ${ourBackends.join(", ")}; default cpu-blas,cpu-wasm
  --runtime NAME,...   ${runtimeNames.join(", ")}; default the one that runs this
  --only NAME,...      ${names.join(", ")}
  --runs N             turns that count; default 5, 1 with --quick
  --batch N            default 8
  --large-batch N      of batch-64-over-8; default 64
  --large-layers N     layers of each tower in batch-64-over-8, where memory is short; default all
  --threads N          default 2
  --model NAME         ${Object.keys(models).join(", ")}; default diffClip, the paper's ViT-B/16
  --quick              a tiny model, one turn: shows that everything works, measures nothing
  --out FILE           appends the lines to a file too
  --json               for the command line: lines are JSON here anyway`

/** Bad usage, with what was expected. */
export class UsageError extends Error {}

const listOf = <A extends string>(flag: string, known: ReadonlyArray<A>, text: string): ReadonlyArray<A> =>
  text.split(",").map((word) => {
    const found = known.find((candidate) => candidate === word)
    if (found === undefined) throw new UsageError(`--${flag}: expected ${known.join(", ")}, found ${word}`)
    return found
  })

const countOf = (flag: string, text: string): number => {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) {
    throw new UsageError(`--${flag}: expected a whole number above 0, found ${text}`)
  }
  return count
}

const current = (): RuntimeName => "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node"

const text = { type: "string" } as const
const switched = { type: "boolean", default: false } as const

const parsed = (args: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...args],
      options: {
        backend: { ...text, default: "cpu-blas,cpu-wasm" },
        runtime: { ...text, default: current() },
        only: { ...text, default: names.join(",") },
        runs: text,
        batch: { ...text, default: "8" },
        "large-batch": { ...text, default: "64" },
        "large-layers": text,
        threads: { ...text, default: "2" },
        model: text,
        quick: switched,
        out: text,
        json: switched,
        help: switched
      }
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** What the arguments ask for; prints the usage and ends where they ask for it. Throws UsageError. */
export const optionsOf = (args: ReadonlyArray<string>): Options => {
  const flags = parsed(args)
  if (flags.help) {
    process.stdout.write(`${usage}\n`)
    process.exit(0)
  }
  const modelName = flags.model ?? (flags.quick ? "tiny" : "diffClip")
  const [model, small] = [models[modelName], models[flags.quick ? "tiny" : "small"]]
  if (model === undefined || small === undefined) {
    throw new UsageError(`--model: expected ${Object.keys(models).join(", ")}, found ${modelName}`)
  }
  return {
    backends: listOf("backend", ourBackends, flags.backend),
    runtimes: listOf("runtime", runtimeNames, flags.runtime),
    only: listOf("only", names, flags.only),
    runs: countOf("runs", flags.runs ?? (flags.quick ? "1" : "5")),
    warmUp: 1,
    batch: countOf("batch", flags.batch),
    largeBatch: countOf("large-batch", flags["large-batch"]),
    largeLayers: flags["large-layers"] === undefined ? undefined : countOf("large-layers", flags["large-layers"]),
    threads: countOf("threads", flags.threads),
    modelName,
    model,
    small,
    out: flags.out
  }
}
