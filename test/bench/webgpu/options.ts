/** The benchmark's command line. */
import process from "node:process"
import { parseArgs } from "node:util"
import { type RuntimeName, runtimeNames } from "../../../scripts/runtime.ts"
import { type AdapterName, adapterNames, currentRuntime, defaultAdapter } from "./environment.ts"
import { type Name, names, type PeerName, peerNames } from "./row.ts"
import { type SizeName, sizeNames } from "./sizes.ts"

/** Where PyTorch computes. */
export const torchDevices = ["cuda", "cpu"] as const
/** One of them. */
export type TorchDevice = (typeof torchDevices)[number]

/** What is asked for. */
export interface Options {
  readonly runtimes: ReadonlyArray<RuntimeName>
  readonly adapter: AdapterName
  readonly only: ReadonlyArray<Name>
  readonly peers: ReadonlyArray<PeerName>
  /** By the adapter where it is not given: `gpu` on a card, `software` on a program. */
  readonly size: SizeName | undefined
  /** Turns that count; by the size where it is not given. */
  readonly runs: number | undefined
  readonly python: string | undefined
  readonly torchDevice: TorchDevice
  /** What has not begun by then is a line that says so. */
  readonly budgetSeconds: number
  readonly out: string | undefined
}

const usage = `test/bench/webgpu: our WebGPU kernels against tfjs's on the same adapter and PyTorch on the same card
  --all                all measures (the default)
  --only NAME,...      ${names.join(", ")}
  --peer NAME,...      ${peerNames.join(", ")}; default tfjs-webgpu
  --runtime NAME,...   ${runtimeNames.join(", ")}; default the one that runs this
  --adapter NAME       ${adapterNames.join(", ")}; default system where there is a card, else swiftshader
  --size NAME          ${sizeNames.join(", ")}; default gpu on a card, software on a program
  --runs N             turns that count; default 7 on a card, 3 on a program
  --quick              --size quick: shows that everything works, measures nothing
  --python PATH        an interpreter with torch; default python3 or /usr/bin/python3, whichever has it
  --torch-device NAME  ${torchDevices.join(", ")}; default cuda
  --budget SECONDS     of all runtimes together; default 570. What has not begun by then is skipped, with a line
  --out FILE           appends the lines to a file too
  --json               for the command line: lines are JSON here anyway`

/** Bad usage, with what was expected. */
export class UsageError extends Error {}

const oneOf = <A extends string>(flag: string, known: ReadonlyArray<A>, word: string): A => {
  const found = known.find((candidate) => candidate === word)
  if (found === undefined) throw new UsageError(`--${flag}: expected ${known.join(", ")}, found ${word}`)
  return found
}

const listOf = <A extends string>(flag: string, known: ReadonlyArray<A>, text: string): ReadonlyArray<A> =>
  text.split(",").map((word) => oneOf(flag, known, word))

const countOf = (flag: string, text: string): number => {
  const count = Number(text)
  if (Number.isInteger(count) && count > 0) return count
  throw new UsageError(`--${flag}: expected a whole number above 0, found ${text}`)
}

const text = { type: "string" } as const
const switched = { type: "boolean", default: false } as const

const parsed = (args: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...args],
      options: {
        all: switched,
        only: { ...text, default: names.join(",") },
        peer: { ...text, default: "tfjs-webgpu" },
        runtime: { ...text, default: currentRuntime() },
        adapter: { ...text, default: defaultAdapter() },
        size: text,
        runs: text,
        quick: switched,
        python: text,
        "torch-device": { ...text, default: "cuda" },
        budget: { ...text, default: "570" },
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
  return {
    runtimes: listOf("runtime", runtimeNames, flags.runtime),
    adapter: oneOf("adapter", adapterNames, flags.adapter),
    only: flags.all ? names : listOf("only", names, flags.only),
    peers: listOf("peer", peerNames, flags.peer),
    size: flags.quick ? "quick" : flags.size === undefined ? undefined : oneOf("size", sizeNames, flags.size),
    runs: flags.runs === undefined ? undefined : countOf("runs", flags.runs),
    python: flags.python,
    torchDevice: oneOf("torch-device", torchDevices, flags["torch-device"]),
    budgetSeconds: countOf("budget", flags.budget),
    out: flags.out
  }
}
