/**
 * Our CPU engine against PyTorch (`pytorch.py`: plain modules, Debian's python3-torch), against itself, and on a small
 * model against tfjs's own backends and jax-js. Every side is a process of its own that waits while the others run: ours,
 * peer, ours, peer, ... Before anything is timed both compute embeddings, loss and gradients from one file of weights; where
 * they differ by more than 1e-4 no ratio is printed and the exit code is 1. Warm-up turns are not counted.
 * `ratio` is the peer's median by ours (how often faster we are); of `block-differential-over-softmax`, `peak-memory`,
 * `batch-64-over-8`, `gemm-share` and `attention-memory` ours by the peer's. Memory is the largest resident size of the
 * whole process after training steps. Prints one JSON object a line (DESIGN section 5), progress on stderr.
 * Usage: npm run bench -- cpu [--help]; diffclip bench cpu [--json]
 */
import { appendFileSync } from "node:fs"
import process from "node:process"
import { isMeasured, measure } from "./measures.ts"
import { type Options, optionsOf, UsageError } from "./options.ts"
import { lineOf, type Row } from "./row.ts"

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

const emit = (row: Row): void => {
  const line = `${lineOf(row)}\n`
  process.stdout.write(line)
  if (options.out !== undefined) appendFileSync(options.out, line)
  if ("failed" in row) {
    note(`FAILED ${row.name}, ${row.backend} on ${row.runtime}: ${row.failed}`)
    process.exitCode = 1
  } else if (isMeasured(row)) note(`${row.name}, ${row.backend} on ${row.runtime}: ratio ${row.ratio} to ${row.peer}`)
}

for (const runtime of options.runtimes) {
  for (const backend of options.backends) await measure({ backend, runtime, options, emit, note })
}
