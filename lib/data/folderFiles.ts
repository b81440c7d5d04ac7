import { Effect, FileSystem, Path } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { FolderError } from "./errors.ts"
import { shown } from "./shown.ts"

/** A failure of the file system as a FolderError. */
export const folderFileError = (folder: string) => (error: PlatformError): FolderError => {
  const reason = error.reason._tag === "NotFound" ? "missing" : "io"
  const got = reason === "missing" ? "no such folder" : error.message
  return new FolderError({ folder, reason, message: `expected to read ${shown(folder)}, got ${got}: check the path` })
}

/**
 * All files under a folder as paths in it, `/` between their parts, sorted by code units. Names that begin with a dot, and
 * what is under them, are left out. Fails with FolderError: `missing`, `io`.
 */
export const filesUnder = (
  folder: string
): Effect.Effect<ReadonlyArray<string>, FolderError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const names = yield* Effect.mapError(fs.readDirectory(folder, { recursive: true }), folderFileError(folder))
    return names
      .map((name) => name.split(path.sep).join("/"))
      .filter((name) => !/(^|\/)\./.test(name))
      .toSorted((a, b) => a < b ? -1 : a > b ? 1 : 0)
  })

/** The lines of a file in a folder, trimmed; undefined where it is not there. An empty line is a FolderError `names`. */
export const linesIn = (
  folder: string,
  name: string
): Effect.Effect<ReadonlyArray<string> | undefined, FolderError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const file = path.join(folder, name)
    const failed = folderFileError(file)
    if (!(yield* Effect.mapError(fs.exists(file), failed))) return undefined
    const text = yield* Effect.mapError(fs.readFileString(file), failed)
    const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/).map((line) => line.trim())
    while (lines.at(-1) === "") lines.pop()
    const blank = lines.indexOf("")
    if (lines.length > 0 && blank < 0) return lines
    const got = lines.length === 0 ? "an empty file" : `an empty line ${blank + 1}`
    const message = `expected one entry on each line of ${shown(file)}, got ${got}: correct the file`
    return yield* new FolderError({ folder: file, reason: "names", message })
  })
