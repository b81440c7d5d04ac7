/** What the benchmark prints: an object a line (DESIGN section 5). */
import { execFileSync } from "node:child_process"
import { cpus, loadavg } from "node:os"
import { root } from "../../../scripts/root.ts"
import { type Comparison, rounded } from "./statistics.ts"

/** The measures of the table, by name. */
export const names = [
  "train-step",
  "encode-image",
  "encode-text",
  "peak-memory",
  "block-differential-over-softmax",
  "two-threads-over-one",
  "batch-64-over-8",
  "gemm-share",
  "attention-memory",
  "train-step-small"
] as const
/** One of them. */
export type Name = (typeof names)[number]

/** Whom a measure compares with. */
export type PeerName = "pytorch" | "tfjs-wasm" | "tfjs-cpu" | "jax-js" | "self"

/** What a row is about, before it is measured. */
export interface Subject {
  readonly name: Name
  readonly backend: string
  readonly runtime: string
  readonly shape: string
  readonly peer: PeerName
}

/** What was measured of it. */
export interface Measured extends Subject, Comparison {
  readonly unit: string
  readonly peerVersion: string
  /** Our engine in words: path and threads. */
  readonly engine: string
}

/** A measure that could not be made here: `skipped` where something is not there, `failed` where it went wrong. */
export type NotMeasured = Subject & ({ readonly skipped: string } | { readonly failed: string })

/** A line of the benchmark. */
export type Row = Measured | NotMeasured

/** The commit that is checked out; `unknown` outside of git. */
const commit = (): string => {
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

/** A row as it is printed: with the load average of the minute before, the day, the commit and the processor. */
export const lineOf = (row: Row): string =>
  JSON.stringify({
    ...row,
    load: rounded(loadavg()[0] ?? Number.NaN),
    date: new Date().toISOString().slice(0, 16),
    commit: commit(),
    cpu: `${cpus().length} x ${cpus()[0]?.model.trim() ?? "unknown"}`
  })
