/** What the benchmark prints: an object a line (DESIGN section 5). */
import { execFileSync } from "node:child_process"
import { cpus, loadavg } from "node:os"
import { root } from "../../../scripts/root.ts"
import { type Comparison, rounded } from "../cpu/statistics.ts"
import { runtimeVersion } from "./environment.ts"

/** The measures by name: those of the issue, and what the nine measurements need beside them. */
export const names = [
  "gemm",
  "attention-forward",
  "attention-forward-backward",
  "layernorm",
  "gelu",
  "adamw",
  "block",
  "tower",
  "train-step",
  "memory",
  "dispatches",
  "dispatch-cost",
  "readback",
  "compile"
] as const
/** One of them. */
export type Name = (typeof names)[number]

/** Whom ours is compared with: tfjs's kernels on the same adapter, or PyTorch on the same card in one of its modes. */
export const peerNames = ["tfjs-webgpu", "pytorch"] as const
/** One of them. */
export type PeerName = (typeof peerNames)[number]

/** What a row is about, before it is measured. */
export interface Subject {
  readonly name: Name
  readonly shape: string
  /** `pytorch-f32`, `pytorch-tf32` and `pytorch-bf16` are its modes; `none` where nothing is compared. */
  readonly peer: string
}

/** Facts beside the times, as a measure has them: `dispatches`, `encode`, `gflops`, `shareOfCopy`, and their peer's. */
export type Facts = Readonly<Record<string, number | string>>

/** What was measured of it. */
export type Measured =
  & Subject
  & (Comparison | Pick<Comparison, "median" | "min" | "runs">)
  & { readonly unit: string; readonly peerVersion: string; readonly engine: string; readonly facts?: Facts }

/** A measure that could not be made here: `skipped` where something is not there, `failed` where it went wrong. */
export type NotMeasured = Subject & ({ readonly skipped: string } | { readonly failed: string })

/** A line of the benchmark. */
export type Row = Measured | NotMeasured

/** The commit that is checked out; `unknown` outside of git. */
const commitOf = (): string => {
  try {
    const said = execFileSync("git", ["-C", root, "describe", "--always", "--dirty"], {
      stdio: ["ignore", "pipe", "ignore"]
    })
    return said.toString().trim()
  } catch (error) {
    if (error instanceof Error) return "unknown"
    throw error
  }
}

let commit: string | undefined

/** A row as it is printed: with runtime, adapter, load average, day, commit and processor. */
export const lineOf = (row: Row, adapter: string, runtime: string = runtimeVersion()): string => {
  const { name, shape, peer, ...figures } = row
  const { facts = {}, ...rest }: { readonly facts?: Facts } & Readonly<Record<string, unknown>> = figures
  commit ??= commitOf()
  return JSON.stringify({
    ...{ name, backend: "webgpu", runtime, shape, peer },
    ...rest,
    ...facts,
    adapter,
    load: rounded(loadavg()[0] ?? Number.NaN),
    date: new Date().toISOString().slice(0, 16),
    commit,
    cpu: `${cpus().length} x ${cpus()[0]?.model.trim() ?? "unknown"}`
  })
}
