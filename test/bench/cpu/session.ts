/** Programs side by side: started, checked against each other, timed in turns. */
import { rmSync } from "node:fs"
import process from "node:process"
import { setTimeout as wait } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { ClipConfig } from "../../../lib/models/index.ts"
import { root } from "../../../scripts/root.ts"
import { findRuntime, type RuntimeName, sourceArguments } from "../../../scripts/runtime.ts"
import { checkedNames, inputsFile, openTensorsAt, weightsFile } from "./files.ts"
import { numberOf, type Program, start, textOf, type Work } from "./protocol.ts"
import { relativeError } from "./statistics.ts"

/** The largest difference to the peer, by the largest number of the tensor, with which a comparison of times means anything. */
export const LIMIT = 1e-4

/** Spinning threads of a library sleep after so long; only then the other side runs. */
const PAUSE_MS = 300

/** Weights of 0.6 GB are made once and kept here. */
export const folder: string = `${root}.cache/bench`

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** A program with a model in it. */
export interface Side extends Program {
  readonly name: string
  readonly engine: string
  readonly version: string
  readonly runtime: string
}

/** What is measured by: an engine of ours or tfjs's in a runtime, jax-js, or PyTorch. */
export type SideName =
  | { readonly kind: "engine"; readonly backend: string; readonly runtime: RuntimeName }
  | { readonly kind: "jax-js" }
  | { readonly kind: "pytorch" }

const runtimeOf = (name: RuntimeName): string => {
  const path = findRuntime(name)
  if (path === undefined) throw new Error(`${name} is not installed: npm ci brings it where a package exists`)
  return path
}

/** Debian's interpreter: a `python3` of a virtual environment does not see python3-torch. */
export const python = "/usr/bin/python3"

/** Starts a program without a model. */
export const open = (side: SideName): Program => {
  switch (side.kind) {
    case "engine": {
      const args = [...sourceArguments[side.runtime], here("engine.ts"), side.backend]
      return start(`${side.backend} on ${side.runtime}`, runtimeOf(side.runtime), args)
    }
    case "jax-js":
      return start("jax-js", runtimeOf("node"), [...sourceArguments.node, here("jax.ts")])
    case "pytorch":
      return start("PyTorch", python, ["-u", here("pytorch.py")])
  }
}

/** Starts a program and gives it a model; it is ended where that fails. */
export const openWith = async (side: SideName, config: ClipConfig, threads: number): Promise<Side> => {
  const program = open(side)
  try {
    const weights = weightsFile(folder, config)
    const said = await program.ask({ do: "load", model: config, weights, threads })
    const runtime = typeof said["runtime"] === "string" ? said["runtime"] : ""
    const name = side.kind === "engine" ? side.backend : side.kind
    return { ...program, name, engine: textOf(said, "engine"), version: textOf(said, "version"), runtime }
  } catch (error) {
    await program.end()
    throw error
  }
}

/** Gives all the same batch. */
export const giveInputs = async (sides: ReadonlyArray<Program>, config: ClipConfig, batch: number): Promise<void> => {
  const file = inputsFile(folder, config, batch)
  for (const side of sides) await side.ask({ do: "inputs", file })
  rmSync(file)
}

/**
 * Compares embeddings, loss and gradients of the batch that both hold; the worst relative error. Throws where it is above
 * LIMIT, with the names: then no ratio is worth printing.
 */
export const checkEqual = async (ours: Side, peer: Side, config: ClipConfig): Promise<number> => {
  const names = checkedNames(config)
  const files = [ours, peer].map(({ name }) => `${folder}/check-${process.pid}-${name}.safetensors`)
  const [a = "", b = ""] = files
  await ours.ask({ do: "check", names, file: a })
  await peer.ask({ do: "check", names, file: b })
  const [first, second] = [openTensorsAt(a), openTensorsAt(b)]
  const errors = [...second.entries.keys()].map((name) => ({
    name,
    error: relativeError(first.floats(name), second.floats(name))
  }))
  for (const [reader, file] of [[first, a], [second, b]] as const) {
    reader.close()
    rmSync(file)
  }
  const bad = errors.filter(({ error }) => !(error <= LIMIT)).toSorted((x, y) => y.error - x.error)
  if (bad.length > 0) {
    const shown = bad.slice(0, 5).map(({ name, error }) => `${name} ${error.toExponential(1)}`).join(", ")
    throw new Error(
      `${ours.name} and ${peer.name} do not agree: ${bad.length} of ${errors.length} tensors differ by more than ` +
        `${LIMIT} of their largest number (${shown}); no ratio is printed`
    )
  }
  return Math.max(...errors.map(({ error }) => error))
}

/** Something that is measured once, in a program that waits meanwhile. */
export type Measurement = () => Promise<number>

/** Seconds of a piece of work in a program. */
export const secondsOf = (side: Program, what: Work): Measurement => async () =>
  numberOf(await side.ask({ do: "time", what }), "seconds")

/** Ours, peer, ours, peer, ...: `warmUp` turns that do not count, then `runs` that do. */
export const inTurns = async (
  ours: Measurement,
  peer: Measurement,
  { runs, warmUp }: { readonly runs: number; readonly warmUp: number }
): Promise<readonly [ours: ReadonlyArray<number>, peer: ReadonlyArray<number>]> => {
  const [a, b]: [Array<number>, Array<number>] = [[], []]
  for (let turn = -warmUp; turn < runs; turn++) {
    for (const [measure, into] of [[ours, a], [peer, b]] as const) {
      await wait(PAUSE_MS)
      const found = await measure()
      if (turn >= 0) into.push(found)
    }
  }
  return [a, b]
}

/** Uses programs and ends them, whatever happens. */
export const withSides = async <A>(
  make: ReadonlyArray<() => Promise<Side>>,
  use: (sides: ReadonlyArray<Side>) => Promise<A>
): Promise<A> => {
  const sides: Array<Side> = []
  try {
    for (const one of make) sides.push(await one())
    return await use(sides)
  } finally {
    for (const side of sides) await side.end()
  }
}
