/** Programs in a row or side by side: their output is shown, their counts are added up. */
import { spawn } from "node:child_process"
import process from "node:process"
import { root } from "./root.ts"

/** How many claims held. */
export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** What a finished program left. */
export interface Outcome {
  readonly code: number
  readonly output: string
  readonly seconds: number
}

/** `5 passed, 0 failed` or `5 passed, 0 failed, 1 skipped`: the last line of every command that tests. */
export const closingLine = ({ passed, failed, skipped }: Counts): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`

/** The counts of the last closing line in an output; undefined where there is none. */
export const countsIn = (output: string): Counts | undefined => {
  const last = [...output.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].at(-1)
  if (last === undefined) return undefined
  const [, passed, failed, skipped = "0"] = last
  return { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) }
}

/** What a part counts for: its own line, and one failure more where it ended badly without saying so. */
export const countsOf = ({ code, output }: Pick<Outcome, "code" | "output">): Counts => {
  const counts = countsIn(output) ?? { passed: 0, failed: code === 0 ? 1 : 0, skipped: 0 }
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts
}

/** The lines of an output that name what failed, as test/reporter.ts and `check` write them. */
export const failuresIn = (output: string): ReadonlyArray<string> =>
  output.split("\n").filter((line) => line.startsWith("failed: ") || line.startsWith("FAILED "))

/** Sums. */
export const addCounts = (all: ReadonlyArray<Counts>): Counts =>
  all.reduce((sum, counts) => ({
    passed: sum.passed + counts.passed,
    failed: sum.failed + counts.failed,
    skipped: sum.skipped + counts.skipped
  }), { passed: 0, failed: 0, skipped: 0 })

/** Runs a program in the root of the repository; its output is collected, and shown as it comes where `live`. */
export const runPart = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly show: "live" | "collected" }
): Promise<Outcome> => {
  const start = performance.now()
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
  const chunks: Array<Buffer> = []
  const take = (out: NodeJS.WriteStream) => (chunk: Buffer): void => {
    chunks.push(chunk)
    if (options.show === "live") out.write(chunk)
  }
  child.stdout.on("data", take(process.stdout))
  child.stderr.on("data", take(process.stderr))
  return new Promise((resolve) => {
    const end = (code: number, note = ""): void =>
      resolve({
        code,
        output: Buffer.concat(chunks).toString("utf8") + note,
        seconds: (performance.now() - start) / 1000
      })
    child.on("error", (cause) => end(127, `${command} did not start: ${cause.message}\n`))
    child.on("close", (code, signal) => end(code ?? 1, signal === null ? "" : `${command} ended by ${signal}\n`))
  })
}
