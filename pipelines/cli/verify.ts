import { Console, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Backend } from "../../lib/backend/index.ts"
import { live } from "../node.ts"
import { renderRows, reportJson, verify } from "../verify/index.ts"
import type { DiffclipCommand } from "./command.ts"
import { CheckFailed, InputError } from "./errors.ts"
import { backend, json } from "./flags.ts"
import { unreadable } from "./io.ts"

/** `diffclip verify DIR [--backend B] [--all] [--json]`. */
export const verifyCommand: DiffclipCommand<"verify"> = Command.make("verify", {
  directory: Argument.String("DIR").pipe(Argument.withDescription("a golden directory, laid out as GOLDENS.md says")),
  all: Flag.Boolean("all").pipe(Flag.withDescription("a row for every tensor"), Flag.withDefault(false)),
  backend,
  json
}, (flags) =>
  Effect.gen(function* () {
    const backend = yield* Backend
    const report = yield* verify(flags.directory, backend).pipe(
      Effect.catchTag("PlatformError", (error) => Effect.fail(unreadable(flags.directory)(error)))
    )
    yield* Console.log(flags.json ? reportJson(report) : renderRows(report, flags.all ? "all" : "failures"))
    if (report.failed > 0) {
      return yield* new CheckFailed({
        message: `${report.failed} of the golden tensors differ by more than their limit`
      })
    }
    if (report.passed === 0) {
      return yield* new InputError({
        file: flags.directory,
        message: `${flags.directory}: expected golden files, found none that is covered`
      })
    }
  }).pipe(Effect.provide(live({ backend: flags.backend, progress: "silent", softwareAdapter: "allow" })))).pipe(
    Command.withDescription("recompute expected numbers and compare")
  )
