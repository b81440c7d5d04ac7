import { existsSync, readdirSync, readFileSync } from "node:fs"
import { Yaml } from "effect/encoding"
import { describe, expect, it } from "vitest"
import { NoRelease, notesOf, versionOf } from "../../scripts/releaseNotes.ts"
import { root } from "../../scripts/root.ts"

const changelog =
  "# Changelog\n\n## [Unreleased]\n\n## [1.1.0] - today\n\n### Added\n\n- One.\n\n## [1.0.0]\n\n- Zero.\n"

describe("the notes of a release", () => {
  it("are the section of its version, and of no other", () => {
    expect(notesOf(changelog, "1.1.0")).toBe("### Added\n\n- One.")
    expect(notesOf(changelog, "1.0.0")).toBe("- Zero.")
  })

  it("are refused when the section is absent or empty, with what is there", () => {
    expect(() => notesOf(changelog, "2.0.0")).toThrow('expected a section "## [2.0.0]", found [Unreleased], [1.1.0]')
    expect(() => notesOf(changelog, "Unreleased")).toThrow(NoRelease)
  })

  it("are refused when a manifest has another version than the tag", () => {
    expect(versionOf("v1.1.0", { "package.json": "1.1.0", "deno.json": "1.1.0" })).toBe("1.1.0")
    expect(() => versionOf("v1.1.0", { "package.json": "1.1.0", "deno.json": "1.0.0" })).toThrow(
      "deno.json: expected version 1.1.0 for v1.1.0, found 1.0.0"
    )
  })

  it("exist for the version in package.json", () => {
    const { version }: { readonly version: string } = JSON.parse(readFileSync(`${root}package.json`, "utf8"))
    expect(notesOf(readFileSync(`${root}CHANGELOG.md`, "utf8"), version).length).toBeGreaterThan(100)
  })
})

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}
interface Workflow {
  readonly on: Readonly<Record<string, unknown>>
  readonly permissions: Readonly<Record<string, string>>
  readonly jobs: Readonly<
    Record<string, {
      readonly needs?: string
      readonly permissions?: Readonly<Record<string, string>>
      readonly steps: ReadonlyArray<Step>
    }>
  >
}

const isWorkflow = (value: unknown): value is Workflow =>
  typeof value === "object" && value !== null && "on" in value && "jobs" in value && "permissions" in value

const folder = `${root}.github/workflows/`
const names = readdirSync(folder).sort()
const textOf = (name: string): string => readFileSync(folder + name, "utf8")
const workflow = (name: string): Workflow => {
  const value = Yaml.parse(textOf(name))
  if (!isWorkflow(value)) throw new Error(`${name}: expected a workflow with on, permissions and jobs`)
  return value
}
const stepsOf = (name: string): ReadonlyArray<Step> => Object.values(workflow(name).jobs).flatMap(({ steps }) => steps)

/** The actions that we use, and of their inputs those that we know by their documentation. */
const inputs: Readonly<Record<string, ReadonlyArray<string>>> = {
  "actions/checkout@v4": ["persist-credentials", "fetch-depth", "ref"],
  "actions/setup-node@v4": ["node-version", "cache"],
  "actions/upload-artifact@v4": ["name", "path", "if-no-files-found", "retention-days"]
}

describe("the workflows", () => {
  it.each(names)("%s use actions and inputs that exist, and may read alone unless a job says more", (name) => {
    for (const step of stepsOf(name)) {
      expect([step.uses === undefined, step.run === undefined]).toContain(false)
      if (step.uses === undefined) continue
      expect(Object.keys(inputs)).toContain(step.uses)
      expect(inputs[step.uses]).toEqual(expect.arrayContaining(Object.keys(step.with ?? {})))
    }
    expect(workflow(name).permissions).toEqual({ contents: "read" })
  })

  it.each(names)("%s run commands that exist, and name no host", (name) => {
    const { scripts }: { readonly scripts: Readonly<Record<string, string>> } = JSON.parse(
      readFileSync(`${root}package.json`, "utf8")
    )
    const commands = stepsOf(name).flatMap(({ run }) => run ?? []).join("\n")
    const npmScripts = [...commands.matchAll(/\bnpm run (?:-s )?(\S+)/g)].map(([, script = ""]) => script)
    expect(npmScripts.filter((script) => !(script in scripts))).toEqual([])
    const files = [...commands.matchAll(/(?:^|[ (])((?:\.ci|scripts)\/[\w.]+)/gm)].map(([, file = ""]) => file)
    expect(files.length).toBeGreaterThan(0)
    expect(files.filter((file) => !existsSync(root + file))).toEqual([])
    expect(textOf(name)).not.toMatch(/https?:|registry-url|secrets\./)
  })

  it("publish a tag after everything passed, with provenance, on both registries", () => {
    const release = workflow("release.yml")
    expect(release.on).toEqual({ push: { tags: ["v[0-9]+.[0-9]+.[0-9]+*"] } })
    // What runs everything may change nothing; what may publish cannot write here; what may write installs nothing.
    const jobs = Object.entries(release.jobs).map(([name, { needs, permissions }]) => ({ name, needs, permissions }))
    expect(jobs).toEqual([
      { name: "test", needs: undefined, permissions: undefined },
      { name: "publish", needs: "test", permissions: { contents: "read", "id-token": "write" } },
      { name: "notes", needs: "publish", permissions: { contents: "write" } }
    ])
    expect(release.jobs["notes"]?.steps.flatMap(({ run }) => run ?? []).join("\n")).not.toMatch(/npm|\.ci/)
    const commands = stepsOf("release.yml").flatMap(({ run }) => run ?? [])
    const order = [
      ".ci/run",
      "scripts/releaseNotes.ts",
      "npm ci",
      "npm publish --provenance --access public",
      "deno) publish"
    ]
    const places = order.map((part) => commands.findIndex((command) => command.includes(part)))
    expect(places).toEqual([0, 1, 2, 3, 4])
  })

  it("check every push and every proposal by .ci/run", () => {
    expect(Object.keys(workflow("ci.yml").on)).toEqual(["push", "pull_request"])
    expect(stepsOf("ci.yml").map(({ run }) => run)).toContain(".ci/run")
  })
})
