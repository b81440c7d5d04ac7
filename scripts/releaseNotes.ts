/**
 * Prints what CHANGELOG.md says of a version, for a release. Run: `node scripts/releaseNotes.ts v0.1.0`; without an
 * argument it takes the version of package.json. Exits 1 when the manifests name another version, or when the change list
 * has no section for it or nothing in it.
 */
import { readFileSync } from "node:fs"
import process from "node:process"
import { root } from "./root.ts"

/** What is missing for a release of a version, in one sentence. */
export class NoRelease extends Error {}

/** The part of a change list below `## [version]`, up to the next version. Throws NoRelease when there is none. */
export const notesOf = (changelog: string, version: string): string => {
  const sections = changelog.split(/^## /m)
  const section = sections.find((text) => text.startsWith(`[${version}]`))
  const body = section?.split("\n").slice(1).join("\n").trim() ?? ""
  if (section === undefined) {
    const found = sections.slice(1).map((text) => text.split("\n")[0]).join(", ")
    throw new NoRelease(`CHANGELOG.md: expected a section "## [${version}]", found ${found}`)
  }
  if (body === "") throw new NoRelease(`CHANGELOG.md: expected changes below "## [${version}]", found none`)
  return body
}

/** The version of a tag, `v0.1.0` or `0.1.0`. Throws NoRelease when a manifest has another one. */
export const versionOf = (tag: string, manifests: Readonly<Record<string, string>>): string => {
  const version = tag.replace(/^v/, "")
  for (const [file, found] of Object.entries(manifests)) {
    if (found !== version) throw new NoRelease(`${file}: expected version ${version} for ${tag}, found ${found}`)
  }
  return version
}

const read = (file: string): string => readFileSync(root + file, "utf8")

if (import.meta.main) {
  const manifests = {
    "package.json": JSON.parse(read("package.json")).version,
    "deno.json": JSON.parse(read("deno.json")).version
  }
  try {
    const version = versionOf(process.argv[2] ?? manifests["package.json"], manifests)
    console.log(notesOf(read("CHANGELOG.md"), version))
  } catch (cause) {
    if (!(cause instanceof NoRelease)) throw cause
    console.error(cause.message)
    process.exitCode = 1
  }
}
