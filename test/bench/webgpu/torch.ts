/** PyTorch in a process beside ours, as contestants: one for each of its modes. */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { numberOf, type Program, start, textOf } from "../cpu/protocol.ts"
import type { Contestant } from "./measure.ts"
import type { TorchDevice } from "./options.ts"

/** A piece of work as pytorch.py names it: `what`, and its sizes. */
export type TorchWork = Readonly<Record<string, unknown>> & { readonly what: string }

type TorchRequest =
  | { readonly do: "open"; readonly device: TorchDevice }
  | { readonly do: "prepare"; readonly mode: string; readonly work: TorchWork }
  | { readonly do: "time"; readonly mode: string; readonly repeats: number }
  | { readonly do: "drop" }

/** PyTorch's modes, ready to take turns, and how to end it; or why it takes none. */
export type Torch =
  | { readonly contestants: ReadonlyArray<Contestant>; readonly end: () => Promise<void> }
  | { readonly missing: string }

/** So long a turn should take at least. */
const LEAST_SECONDS = 0.05

/** Of a virtual environment or the system's first; Debian's, which has python3-torch, where that one has no torch. */
const interpreters = ["python3", "python", "/usr/bin/python3"]

/** Finds torch without loading it. */
const HAS_TORCH = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"

/** An interpreter that has torch. */
export const pythonWithTorch = (asked?: string): string | undefined =>
  (asked === undefined ? interpreters : [asked]).find((python) =>
    spawnSync(python, ["-c", HAS_TORCH], { stdio: "ignore" }).status === 0
  )

const contestant = (program: Program<TorchRequest>, mode: string, version: string): Contestant => ({
  name: `pytorch-${mode}`,
  version: `${version}, ${mode}`,
  prepare: async ({ torch }) => {
    if (torch === undefined) throw new Error("it has no such measure")
    const warm = await program.ask({ do: "prepare", mode, work: torch })
    const repeats = Math.min(100, Math.max(1, Math.ceil(LEAST_SECONDS / numberOf(warm, "seconds"))))
    const peak = warm["peakBytes"]
    return {
      once: async () => ({ seconds: numberOf(await program.ask({ do: "time", mode, repeats }), "seconds") }),
      allocatedBytes: () => Promise.resolve(typeof peak === "number" ? peak : undefined),
      end: async () => void await program.ask({ do: "drop" })
    }
  }
})

/** Starts pytorch.py. */
export const openTorch = async (device: TorchDevice, asked?: string): Promise<Torch> => {
  const python = pythonWithTorch(asked)
  if (python === undefined) {
    return { missing: `torch is not installed for ${asked ?? interpreters.join(", ")}` }
  }
  const file = fileURLToPath(new URL("./pytorch.py", import.meta.url))
  const program = start<TorchRequest>("PyTorch", python, ["-u", file])
  try {
    const said = await program.ask({ do: "open", device })
    const modes = said["modes"] instanceof Array ? said["modes"].map(String) : []
    return { contestants: modes.map((mode) => contestant(program, mode, textOf(said, "version"))), end: program.end }
  } catch (error) {
    await program.end()
    return { missing: error instanceof Error ? error.message : String(error) }
  }
}
