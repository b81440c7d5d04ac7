import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, it } from "vitest"
import { codeOf } from "../../pipelines/cli/exitCode.ts"
import { root } from "../../scripts/root.ts"
import { readSources } from "../../scripts/sources.ts"

const guides = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)
const textOf = (file: string): string => readFileSync(join(root, file), "utf8")

const sources = readSources()
const cli = sources.filter(({ path }) => path.startsWith("pipelines/cli/")).map(({ text }) => text).join("\n")
const commands = new Set([...cli.matchAll(/Command\.make\(\s*"(\w+)"/g)].map(([, name]) => name))
const options = new Set([...cli.matchAll(/Flag\.\w+\(\s*"([a-z-]+)"/g)].map(([, name]) => name))

/** The tags of all tagged errors in the library and its command line. */
const tags = sources
  .filter(({ path }) => /^(lib|pipelines)\//.test(path))
  .flatMap(({ text }) => [...text.matchAll(/Data\.TaggedError\(\s*"(\w+)"\s*\)/g)].map(([, tag = ""]) => tag))

describe("the guides", () => {
  it("docs/errors.md has a row for every tagged error, with the exit code that the command line gives it", () => {
    expect(tags.length).toBeGreaterThan(20)
    const rows = textOf("docs/errors.md").split("\n").filter((line) => line.startsWith("| `"))
    for (const tag of tags) {
      const row = rows.find((line) => (line.split("|")[1] ?? "").includes(`\`${tag}\``))
      expect(row, `${tag} has no row`).toBeDefined()
      expect([...(row?.split("|")[2] ?? "").matchAll(/\d+/g)].map(([code]) => Number(code)), tag).toContain(
        codeOf({ _tag: tag })
      )
    }
  })

  it.each(["README.md", "CONTRIBUTING.md", ...guides])("every relative link of %s leads to a file", (file) => {
    const links = [...textOf(file).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(([, target = ""]) => target)
    const broken = links.filter((target) => !existsSync(join(root, dirname(file), target)))
    expect(broken).toEqual([])
  })

  it.each(["README.md", ...guides])("every command and option that %s names exists", (file) => {
    const named = [...textOf(file).matchAll(/^(?:npm run -s |npx )?diffclip (?:-- )?([a-z]+)(.*)$/gm)]
    for (const [line, name, rest = ""] of named) {
      expect(commands, line).toContain(name)
      for (const [, option] of rest.replace(/#.*$/, "").matchAll(/ --([a-z-]+)/g)) {
        expect(options, line).toContain(option)
      }
    }
  })
})
