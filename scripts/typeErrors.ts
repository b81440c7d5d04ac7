/**
 * What the compiler says of programs that do not fit together. `docs/type-errors.md` is made from test/types/misuse and the
 * compiler's own words. Run: `node scripts/typeErrors.ts` writes it; a test compares.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import ts from "typescript"
import { root } from "./root.ts"

/** A program that must not compile, and what is said of it. */
export interface Misuse {
  readonly file: string
  readonly title: string
  /** What to do instead. */
  readonly remedy: string
  /** The program as a user would write it. */
  readonly code: string
  /** The words that its expected error promises. */
  readonly promised: string
  /** All that the compiler says, one entry an error. */
  readonly messages: ReadonlyArray<string>
}

const folder = `${root}test/types/misuse/`
const directive = /^ *\/\/ @ts-expect[-]error (.*)\n/m

/** The page, relative to the root. */
export const pagePath = "docs/type-errors.md"

const options = (): ts.CompilerOptions => {
  const host = {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: ({ messageText }: ts.Diagnostic) => {
      throw new Error(ts.flattenDiagnosticMessageText(messageText, "\n"))
    }
  }
  const parsed = ts.getParsedCommandLineOfConfigFile(`${root}tsconfig.json`, {}, host)
  // As in a new project: `strict`, and none of what this repository adds to it.
  return { ...parsed?.options, exactOptionalPropertyTypes: false, noUnusedLocals: false, isolatedDeclarations: false }
}

/** Compiles every program of test/types/misuse without the comment that expects its error. */
export const misuses = (): ReadonlyArray<Misuse> => {
  const names = readdirSync(folder).filter((name) => name.endsWith(".ts")).sort()
  const texts = new Map(names.map((name) => [folder + name, readFileSync(folder + name, "utf8")]))
  const host = ts.createCompilerHost(options(), true)
  const read = host.getSourceFile.bind(host)
  host.getSourceFile = (path, language) => {
    const text = texts.get(path)
    return text === undefined ?
      read(path, language) :
      ts.createSourceFile(path, text.replace(directive, ""), language, true)
  }
  const program = ts.createProgram([...texts.keys()], options(), host)
  return names.map((name) => {
    const text = texts.get(folder + name) ?? ""
    const [title = "", remedy = "", ...code] = text.replace(directive, "").split("\n")
    return {
      file: name,
      title: title.replace(/^\/\/ /, ""),
      remedy: remedy.replace(/^\/\/ /, ""),
      code: code.join("\n"),
      promised: directive.exec(text)?.[1] ?? "",
      messages: program.getSemanticDiagnostics(program.getSourceFile(folder + name)).map(({ messageText }) =>
        ts.flattenDiagnosticMessageText(messageText, "\n")
      )
    }
  })
}

/** The page for these misuses. */
export const typeErrorsPage = (all: ReadonlyArray<Misuse>): string => {
  const section = ({ title, remedy, code, messages }: Misuse): string =>
    `## ${title}\n\n\`\`\`typescript\n${code.trim()}\n\`\`\`\n\nThe compiler says:\n\n\`\`\`text\n${
      messages.join("\n\n")
    }\n\`\`\`\n\n${remedy}\n`
  return `# What the compiler refuses

Models, data sets, optimizers and evaluators are values whose types say what they fit. What does not fit is a compile error
with a sentence in it: look for the words in quotes, or at the last line. Each program below is a
[test](../test/types/misuse), and each message is what TypeScript ${ts.version} says under \`strict\`; this page is made
from them by [scripts/typeErrors.ts](../scripts/typeErrors.ts).

What only shows at run time (files, settings from JSON, widths that are no literals) is a tagged error in the type of the
Effect, with a message of the same kind.

${all.map(section).join("\n")}`
}

if (import.meta.main) {
  writeFileSync(root + pagePath, typeErrorsPage(misuses()))
  console.log(`${pagePath}: written`)
}
