/**
 * `npm test`: the checks, the suite on Node, then goldens, a tiny training run, the command line and the package on Node,
 * Bun and Deno. All parts run whatever becomes of the others; the last line adds them up.
 */
import process from "node:process"
import { addCounts, closingLine, countsOf, failuresIn, runPart } from "./parts.ts"

const vitest = "node_modules/vitest/vitest.mjs"
const parts: ReadonlyArray<readonly [name: string, args: ReadonlyArray<string>]> = [
  ["check", ["scripts/check.ts"]],
  ["suite", [vitest, "run"]],
  ["webgpu", ["scripts/webgpuTests.ts"]],
  ["runtimes and package", [vitest, "run", "--config", "vitest.runtimes.config.ts"]]
]

const results = []
for (const [name, args] of parts) {
  console.log(`\n== ${name}`)
  const outcome = await runPart(process.execPath, args, { show: "live" })
  results.push({ name, seconds: outcome.seconds, counts: countsOf(outcome), failures: failuresIn(outcome.output) })
}
console.log("")
for (const { name, seconds, counts } of results) {
  console.log(`${name}: ${closingLine(counts).replaceAll(",", " and")} in ${seconds.toFixed(0)} s`)
}
for (const failure of results.flatMap(({ failures }) => failures)) console.log(failure)
const total = addCounts(results.map(({ counts }) => counts))
console.log(closingLine(total))
process.exitCode = total.failed === 0 ? 0 : 1
