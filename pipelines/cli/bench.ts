import { Console, Effect, FileSystem, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { spawn } from "node:child_process"
import process from "node:process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { type ConfigInvalid, invalid } from "../errors.ts"
import { type BenchRow, benchRow, benchTable } from "./benchTable.ts"
import type { DiffclipCommand } from "./command.ts"
import { CheckFailed, type InputError } from "./errors.ts"
import { json } from "./flags.ts"
import { unreadable } from "./io.ts"

/** Where the programs are in a checkout, seen from the sources and from `dist`. */
const folders = ["../../test/bench/", "../test/bench/"].map((path) => fileURLToPath(new URL(path, import.meta.url)))

/** The suites of a folder: `cpu` for `cpu.ts` or `cpu/index.ts`, with their paths. */
export const suitesIn = (
  folder: string
): Effect.Effect<ReadonlyMap<string, string>, InputError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const found = new Map<string, string>()
    for (const name of (yield* fs.readDirectory(folder)).toSorted()) {
      const [file, index] = [`${folder}${name}`, `${folder}${name}/index.ts`]
      if (name.endsWith(".ts")) found.set(name.slice(0, -3), file)
      else if (yield* fs.exists(index)) found.set(name, index)
    }
    return found
  }).pipe(Effect.mapError(unreadable(folder)))

/** The program of a suite. Fails with ConfigInvalid where there is none of that name, or no checkout. */
export const programOf = (
  suite: string,
  places: ReadonlyArray<string> = folders
): Effect.Effect<string, ConfigInvalid | InputError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    for (const folder of places) {
      if (!(yield* Effect.orElseSucceed(fs.exists(folder), () => false))) continue
      const suites = yield* suitesIn(folder)
      const program = suites.get(suite)
      if (program !== undefined) return program
      return yield* invalid("SUITE", `expected ${[...suites.keys()].join(", ")}, found ${suite}`)
    }
    return yield* invalid(
      "SUITE",
      "the benchmarks are programs of the repository and not in the installed package: clone it, run npm ci, then " +
        `npm run -s diffclip -- bench ${suite}`
    )
  })

/** What makes the runtime that runs us start a TypeScript file of a checkout. */
const sourceArguments = "Bun" in globalThis ? [] : "Deno" in globalThis ? ["run", "-A"] : ["--conditions=source"]

/** Runs a program, its stderr shown; gives its exit code, and its stdout line by line as it comes. */
const runProgram = (program: string, args: ReadonlyArray<string>, onLine: (line: string) => void) =>
  Effect.callback<number>((resume) => {
    const child = spawn(process.execPath, [...sourceArguments, program, ...args], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    createInterface({ input: child.stdout }).on("line", onLine)
    child.on("error", () => resume(Effect.succeed(127)))
    child.on("close", (code) => resume(Effect.succeed(code ?? 1)))
    return Effect.sync(() => void child.kill())
  })

const option = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

/** The flags that are handed on to the program as they are. */
const passed = {
  backend: option("backend", "cpu: engines, as cpu-blas,cpu-wasm,cpu-wasm-deterministic (default the first two)"),
  runtime: option("runtime", "cpu, webgpu: runtimes, as node,bun,deno (default the one that runs this)"),
  only: option("only", "cpu, webgpu: measures, as train-step,memory (default all)"),
  runs: option("runs", "cpu, webgpu: how many turns count (default 5; webgpu 7 on a card, 3 on a program)"),
  batch: option("batch", "cpu: pairs of a step (default 8)"),
  model: option("model", "cpu: which model (default diffClip, ViT-B/16)"),
  peer: option("peer", "webgpu: whom to compare with, tfjs-webgpu,pytorch (default the first)"),
  adapter: option("adapter", "webgpu: system, swiftshader or lavapipe (default system where there is a card)"),
  size: option("size", "webgpu: software or gpu (default by the adapter)"),
  python: option("python", "webgpu: an interpreter with torch"),
  "torch-device": option("torch-device", "webgpu: cuda or cpu (default cuda)"),
  budget: option("budget", "webgpu: seconds after which no measure begins (default 570)"),
  out: option("out", "cpu, webgpu: a file that the lines are appended to")
}

/** Flags that were given, as a program takes them: `{ runs: Some("3") }` is `--runs 3`. */
export const argumentsOf = (
  flags: Readonly<Record<string, Option.Option<string>>>,
  isQuick: boolean
): ReadonlyArray<string> => [
  ...Object.entries(flags).flatMap(([name, found]) => Option.isSome(found) ? [`--${name}`, found.value] : []),
  ...(isQuick ? ["--quick"] : [])
]

/** `diffclip bench SUITE [--json] [FLAGS]`: a program of test/bench, from a checkout. */
export const benchCommand: DiffclipCommand<"bench"> = Command.make("bench", {
  suite: Argument.String("suite").pipe(
    Argument.withDescription("a program of test/bench: cpu, webgpu, gemm, loader, ...")
  ),
  json,
  quick: Flag.Boolean("quick").pipe(
    Flag.withDescription("cpu, webgpu: a tiny model and one turn; shows that everything works, measures nothing"),
    Flag.withDefault(false)
  ),
  ...passed
}, ({ suite, json, quick, ...flags }) =>
  Effect.gen(function* () {
    const program = yield* programOf(suite)
    const rows: Array<BenchRow> = []
    const code = yield* runProgram(program, argumentsOf(flags, quick), (line) => {
      if (json) process.stdout.write(`${line}\n`)
      else {
        const row = benchRow(line)
        if (row !== undefined) rows.push(row)
      }
    })
    if (!json && rows.length > 0) yield* Console.log(benchTable(rows))
    if (code === 2) return yield* invalid(suite, "the program does not take these flags; what it said is above")
    if (code !== 0) {
      return yield* new CheckFailed({ message: `bench ${suite}: something failed (code ${code}), see above` })
    }
  })).pipe(
    Command.withDescription("measure speed and memory; the programs are in the repository, not in the package")
  )
