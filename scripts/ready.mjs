/**
 * Runs before every other script, on whatever Node there is (so it is JavaScript, without types): stops with one
 * sentence where Node is too old to run TypeScript, and makes the generated merges where they are absent.
 */
import process from "node:process"

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    "Node >= 22 needed (22.18 for the sources), found " + process.versions.node + " at " + process.execPath + ".\n" +
      "npm ci brings it as an optional package where one exists for the platform (" + process.platform + "-" +
      process.arch + "); none is installed. Install Node 22 or newer, or run npm ci without --omit=optional.\n"
  )
  process.exit(1)
}

const { ensureMerges } = await import("./merges.ts")
try {
  if (ensureMerges() === "written") process.stderr.write("lib/text/merges.generated.ts: written\n")
} catch (cause) {
  process.stderr.write((cause instanceof Error ? cause.message : String(cause)) + "\n")
  process.exitCode = 1
}
