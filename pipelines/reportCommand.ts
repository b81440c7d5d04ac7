import { Context } from "effect"
import { shownWord } from "../lib/data/index.ts"

/** The command line that a run was started with, for its report; empty where a program started it. */
export const CommandLine: Context.Reference<string> = Context.Reference("diffclip/CommandLine", {
  defaultValue: () => ""
})

/**
 * A command line as one would type it again. What may be secret goes: of addresses the name and password, the fragment,
 * and the values of the query, where signed addresses have their keys (they read `***`).
 */
export const commandLine = (words: ReadonlyArray<string>): string => words.map(shownWord).map(quoted).join(" ")

const quoted = (word: string): string => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
