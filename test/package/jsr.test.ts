import { describe, expect, it } from "vitest"
import { root } from "../../scripts/root.ts"
import { findRuntime } from "../../scripts/runtime.ts"
import { env, run } from "./project.ts"

describe("JSR", () => {
  const deno = findRuntime("deno")
  it.skipIf(deno === undefined)(
    "takes the sources as they are, without slow types, and the merges with them",
    async () => {
      const dryRun = ["publish", "--dry-run", "--allow-dirty"]
      const { stdout, stderr } = await run(deno ?? "deno", dryRun, { cwd: root, env: { ...env, NO_COLOR: "1" } })
      const said = (stdout + stderr).replaceAll(root, "/")
      // Dawn is an optional peer that no import map names: its specifier is a variable on purpose.
      const expected = /warning\[unanalyzable-dynamic-import\][^\n]*\n *--> \/lib\/backend\/webgpu\/adapter\.ts:/
      expect(said.replace(expected, "")).not.toMatch(/slow-type|warning/i)
      expect(said).toContain("lib/text/merges.generated.ts")
      expect(said).not.toMatch(/\/(test|examples|scripts|node_modules)\//)
      expect(said).toContain("Dry run complete")
    }
  )
})
