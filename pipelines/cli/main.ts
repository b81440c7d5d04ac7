import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Console, Effect } from "effect"
import { Command } from "effect/cli"
import process from "node:process"
import { plainText } from "../../lib/track/index.ts"
import { files } from "../node.ts"
import { version } from "../version.ts"
import { diffclip } from "./commands.ts"
import { exitCodeOf, type StopSignal } from "./exitCode.ts"

// A reader that has seen enough (`| head`) ends the command; a full disk behind stdout is disk trouble.
process.stdout.on("error", (error: Error & { readonly code?: string }) => {
  if (error.code !== "EPIPE") process.stderr.write(`diffclip: cannot write the output: ${error.message}\n`)
  process.exit(error.code === "EPIPE" ? 0 : 4)
})

let signal: StopSignal
process.once("SIGINT", () => signal ??= "SIGINT")
process.once("SIGTERM", () => signal ??= "SIGTERM")

/** Messages quote names from files: no control of theirs reaches the terminal. */
const harmless = (text: string): string => text.split("\n").map(plainText).join("\n")

/** One line for people; a defect shows its whole cause, since it is a bug of ours. */
const report = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void
  const error = Cause.squash(cause)
  const isExpected = typeof error === "object" && error !== null && "_tag" in error && error instanceof Error
  if (isExpected && error._tag === "ShowHelp") return Effect.void // the parser has shown it
  return Console.error(harmless(isExpected ? `diffclip: ${error.message}` : Cause.pretty(cause)))
}

Command.run(diffclip, { version }).pipe(
  Effect.tapCause(report),
  Effect.provide(files),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => onExit(exitCodeOf(exit, signal))
  })
)
