import type { Reporter, TestModule } from "vitest/node"

const wordsOf = (errors: ReadonlyArray<{ readonly message: string }>): string =>
  errors.map(({ message }) => message.split("\n", 3).join(" | ").slice(0, 400)).join("; ")

/**
 * Ends a run with a line `failed: FILE > TEST: WORDS` for each failure, so that nobody has to search, and the one line that
 * CI reads: `N passed, N failed[, N skipped]`. A file that fails to load counts.
 */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<unknown>): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 }
    const failures: Array<string> = []
    for (const module of modules) {
      if (module.errors().length > 0) {
        count.failed += 1
        failures.push(`failed: ${module.relativeModuleId}: ${wordsOf(module.errors())}`)
      }
      for (const test of module.children.allTests()) {
        const { state, errors = [] } = test.result()
        count[state] += 1
        if (state === "failed") {
          failures.push(`failed: ${module.relativeModuleId} > ${test.fullName}: ${wordsOf(errors)}`)
        }
      }
    }
    const skipped = count.skipped + count.pending
    process.on("exit", () => {
      for (const failure of failures) process.stdout.write(`${failure}\n`)
      process.stdout.write(
        `${count.passed} passed, ${count.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`
      )
    })
  }
}
