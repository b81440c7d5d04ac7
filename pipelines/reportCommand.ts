import { Context } from "effect"

/** The command line that a run was started with, for its report; empty where a program started it. */
export const CommandLine: Context.Reference<string> = Context.Reference("diffclip/CommandLine", {
  defaultValue: () => ""
})

/**
 * A command line as one would type it again. What may be secret goes: names and passwords in addresses, and what stands
 * behind their question mark, where signed addresses have their keys.
 */
export const commandLine = (words: ReadonlyArray<string>): string => words.map(withoutSecrets).map(quoted).join(" ")

const withoutSecrets = (word: string): string =>
  word.replace(/([a-z][a-z0-9+.-]*:\/\/)[^/@\s]*@/gi, "$1").replace(/([a-z][a-z0-9+.-]*:\/\/[^?\s]*)\?\S*/gi, "$1")

const quoted = (word: string): string => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
