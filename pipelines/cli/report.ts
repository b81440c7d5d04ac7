import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { comparisonText, plainText, summaryText } from "../../lib/track/index.ts"
import { invalid } from "../errors.ts"
import { compareRuns, writeReport } from "../report.ts"
import type { DiffclipCommand } from "./command.ts"
import { json } from "./flags.ts"

/** More curves than these in one chart cannot be told apart. */
const maxRuns = 12

/** `diffclip report RUN [--out FILE] [--json]`, and with several runs `diffclip report A B … --out FILE`. */
export const reportCommand: DiffclipCommand<"report"> = Command.make("report", {
  runs: Argument.String("RUN").pipe(
    Argument.withDescription("a run directory, finished or not; several are compared with the first"),
    Argument.between(1, maxRuns)
  ),
  out: Flag.String("out").pipe(
    Flag.withDescription("the page (default RUN/report.html; needed for several runs)"),
    Flag.optional
  ),
  json
}, (flags) =>
  Effect.gen(function* () {
    const out = Option.getOrUndefined(flags.out)
    const [first, ...others] = flags.runs
    if (first === undefined) return
    if (others.length === 0) {
      const summary = yield* writeReport(first, out === undefined ? {} : { out })
      return yield* Console.log(flags.json ? JSON.stringify(summary) : summaryText(summary))
    }
    if (out === undefined) {
      return yield* invalid("out", "expected --out FILE for the page that compares runs: none of them is its home")
    }
    const { names, rows } = yield* compareRuns(flags.runs, out)
    if (flags.json) return yield* Console.log(JSON.stringify({ report: out, runs: names, rows }))
    yield* Console.log(`${comparisonText(rows, names.map(plainText))}\n\nreport: ${plainText(out)}`)
  })).pipe(Command.withDescription("make the page of a run, or of several side by side"))
