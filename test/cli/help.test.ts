import { NodeServices } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { stripVTControlCharacters } from "node:util"
import { describe, expect, it } from "vitest"
import { attentionCommand } from "../../pipelines/cli/attention.ts"
import { classifyCommand } from "../../pipelines/cli/classify.ts"
import { dataCommand } from "../../pipelines/cli/dataCommands.ts"
import { diffCommand } from "../../pipelines/cli/diff.ts"
import { doctorCommand } from "../../pipelines/cli/doctor.ts"
import { embedCommand } from "../../pipelines/cli/embed.ts"
import { evaluateCommand } from "../../pipelines/cli/evaluate.ts"
import { exportCommand } from "../../pipelines/cli/export.ts"
import { inspectCommand } from "../../pipelines/cli/inspect.ts"
import { reportCommand } from "../../pipelines/cli/report.ts"
import { trainCommand } from "../../pipelines/cli/train.ts"
import { verifyCommand } from "../../pipelines/cli/verify.ts"
import { files } from "../../pipelines/node.ts"

const commands = Command.make("diffclip").pipe(
  Command.withSubcommands([
    trainCommand,
    evaluateCommand,
    embedCommand,
    classifyCommand,
    dataCommand,
    attentionCommand,
    verifyCommand,
    inspectCommand,
    diffCommand,
    exportCommand,
    reportCommand,
    doctorCommand
  ])
)

/** What `--help` prints, without colours; rejects where it fails. */
const helpOf = async (command: string): Promise<string> => {
  let printed = ""
  const keep = (text: string): void => void (printed += `${text}\n`)
  await Command.runWith(commands, { version: "test" })([...command.split(" "), "--help"]).pipe(
    Effect.provide(files),
    Effect.provide(NodeServices.layer),
    Effect.provideService(Console.Console, { ...globalThis.console, log: keep, error: keep }),
    Effect.runPromise
  )
  return stripVTControlCharacters(printed)
}

describe("--help", () => {
  it.each([
    ...["train", "evaluate", "embed", "classify", "data", "data check", "data stats", "data pack", "attention"],
    ...["verify", "inspect", "diff", "export", "report", "doctor"]
  ])("of %s says what it does and what each flag does", async (command) => {
    const help = await helpOf(command)
    expect(help).toMatch(/^DESCRIPTION\n +\w+/m)
    const flags = help.split("\n").filter((line) => /^ +(?:-\w, )?--/.test(line))
    if (command !== "data") expect(flags).not.toHaveLength(0)
    for (const flag of flags) expect(flag, command).toMatch(/^ +(?:-\w, )?--[\w-]+(?:,? -+[\w-]+)*(?: \S+)? {2,}\S+/)
  })

  it.each([
    ["evaluate", ["protocol", "data"]],
    ["embed", ["out"]],
    ["classify", ["images", "classes"]],
    ["attention", ["image", "out"]],
    ["export", ["out"]],
    ["data pack", ["out"]]
  ])("of %s marks what must be given", async (command, names) => {
    const help = await helpOf(command)
    for (const name of names) expect(help).toMatch(new RegExp(`^ +--${name} .*\\(required\\)`, "m"))
  })
})
