import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import type { DiffclipCommand } from "./command.ts"
import { CheckFailed } from "./errors.ts"
import { type Finding, findings } from "./findings.ts"
import { backend, json } from "./flags.ts"

const marks: Readonly<Record<Finding["state"], string>> = { works: "ok ", broken: "BAD", absent: " - " }

const line = (width: number) => ({ name, found, state }: Finding): string =>
  `${marks[state]}  ${name.padEnd(width)}  ${found}`

/** `diffclip doctor [--backend B] [--json]`: what is here, what works, what is missing and how to get it. */
export const doctorCommand: DiffclipCommand<"doctor"> = Command.make(
  "doctor",
  { backend, json },
  (flags) =>
    Effect.gen(function* () {
      const found = yield* findings(flags.backend)
      yield* Console.log(
        flags.json ?
          JSON.stringify(Object.fromEntries(found.map(({ name, ...rest }) => [name, rest]))) :
          found.map(line(Math.max(...found.map(({ name }) => name.length)))).join("\n")
      )
      const bad = found.filter(({ state }) => state === "broken")
      if (bad.length > 0) {
        return yield* new CheckFailed({ message: `${bad.map(({ name }) => name).join(", ")}: see above` })
      }
    })
).pipe(Command.withDescription("say what works here, what is missing, and how to get it"))
