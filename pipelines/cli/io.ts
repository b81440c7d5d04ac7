import type { PlatformError } from "effect"
import { InputError } from "./errors.ts"

const words: Readonly<Record<string, string>> = {
  NotFound: "no such file or directory",
  PermissionDenied: "the permissions do not allow it",
  AlreadyExists: "it is there already",
  BadResource: "a file where a directory is expected, or the other way round"
}

/** What a failed access means, in words: the file, and what was found there. */
export const ioMessage = (file: string, error: PlatformError.PlatformError): string => {
  const { reason } = error
  return `${file}: ${words[reason._tag] ?? error.message}`
}

/** Turns a failed access to an input into an InputError with words. */
export const unreadable = (file: string) => (error: PlatformError.PlatformError): InputError =>
  new InputError({ file, message: `cannot read ${ioMessage(file, error)}` })
