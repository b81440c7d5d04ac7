import { NodeServices } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { stripVTControlCharacters } from "node:util"
import { describe, expect, it } from "vitest"
import { diffclip } from "../../pipelines/cli/commands.ts"
import { files } from "../../pipelines/node.ts"

/** What `--help` prints, without colours; rejects where it fails. */
const helpOf = async (command: string): Promise<string> => {
  let printed = ""
  const keep = (text: string): void => void (printed += `${text}\n`)
  await Command.runWith(diffclip, { version: "test" })([...command.split(" "), "--help"]).pipe(
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
    ...["verify", "inspect", "diff", "export", "report", "doctor", "bench"]
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
