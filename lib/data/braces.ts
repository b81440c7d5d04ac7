import { Result } from "effect"
import { ShardError } from "./errors.ts"
import { shownLocation } from "./httpUrl.ts"

/** The most shards that one pattern may name, unless the caller says otherwise. */
export const defaultMaxShards = 1_000_000

const MAX_PATTERN_LENGTH = 65_536

class Refused extends Error {}

const refuse = (detail: string): never => {
  throw new Refused(detail)
}

const checkCount = (count: number, maxCount: number): void => {
  if (count > maxCount) refuse(`it names ${count} or more paths, above the cap of ${maxCount}`)
}

/** `00000..00331`, with an optional step: the digits as written, since a leading zero asks for padding. */
const RANGE = /^(\d+)\.\.(\d+)(?:\.\.(\d+))?$/

const expandRange = (first: string, last: string, step: string | undefined, maxCount: number): Array<string> => {
  const [from, to, by] = [Number(first), Number(last), step === undefined ? 1 : Number(step)]
  if (![from, to, by].every(Number.isSafeInteger) || by === 0) refuse(`{${first}..${last}} is out of range`)
  const count = Math.floor(Math.abs(to - from) / by) + 1
  checkCount(count, maxCount)
  const isPadded = /^0\d/.test(first) || /^0\d/.test(last)
  const width = isPadded ? Math.max(first.length, last.length) : 0
  const sign = to < from ? -by : by
  return Array.from({ length: count }, (_, i) => String(from + i * sign).padStart(width, "0"))
}

/** Index of the brace that closes the one at `open`. */
const closingOf = (text: string, open: number): number => {
  let depth = 0
  for (let i = open; i < text.length; i++) {
    if (text[i] === "{") depth++
    else if (text[i] === "}" && --depth === 0) return i
  }
  return refuse(`the brace at character ${open} is not closed`)
}

/** Parts between the commas that stand in no inner brace. */
const splitList = (text: string): Array<string> => {
  const parts: Array<string> = []
  let depth = 0
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "{") depth++
    else if (text[i] === "}") depth--
    else if (text[i] === "," && depth === 0) {
      parts.push(text.slice(start, i))
      start = i + 1
    }
  }
  return [...parts, text.slice(start)]
}

const expandGroup = (body: string, maxCount: number): Array<string> => {
  const range = RANGE.exec(body)
  if (range !== null) return expandRange(range[1] ?? "", range[2] ?? "", range[3], maxCount)
  const parts = splitList(body)
  if (parts.length < 2) refuse(`{${body}} is neither a range such as {00000..00331} nor a list such as {a,b}`)
  const all: Array<string> = []
  for (const part of parts) {
    for (const path of expandOne(part, maxCount)) all.push(path)
    checkCount(all.length, maxCount)
  }
  return all
}

const expandOne = (text: string, maxCount: number): Array<string> => {
  let done = [""]
  let at = 0
  while (at < text.length) {
    const open = text.indexOf("{", at)
    const literal = text.slice(at, open < 0 ? text.length : open)
    if (literal.includes("}")) refuse(`a closing brace in ${JSON.stringify(literal)} was never opened`)
    if (open < 0) return done.map((path) => path + literal)
    const close = closingOf(text, open)
    const choices = expandGroup(text.slice(open + 1, close), maxCount)
    checkCount(done.length * choices.length, maxCount)
    done = done.flatMap((path) => choices.map((choice) => path + literal + choice))
    at = close + 1
  }
  return done
}

/**
 * The paths that a shard pattern names, in order: parts between `::`, each with ranges `{00000..00331}` (padded to the
 * longer end when an end has a leading zero; descending and stepped ones too), lists `{a,b}`, nesting and cross products
 * (the last brace varies fastest). Fails with ShardError `pattern` for an unclosed brace, one that is neither range nor
 * list, an empty part, `${NAME}`, and above `maxCount` paths, which is checked before they are made. There is no escape:
 * paths that hold braces cannot be written as a pattern. Source: REFERENCE 5.3; Bash manual, "Brace Expansion".
 */
export const expandBraces = (
  pattern: string,
  maxCount: number = defaultMaxShards
): Result.Result<ReadonlyArray<string>, ShardError> => {
  try {
    if (pattern.length > MAX_PATTERN_LENGTH) refuse(`it is longer than ${MAX_PATTERN_LENGTH} characters`)
    if (pattern.includes("${")) refuse("it holds ${NAME}, and names from the environment are not looked up here")
    const paths: Array<string> = []
    for (const part of pattern.split("::")) {
      if (part === "") refuse("a part between `::` is empty")
      for (const path of expandOne(part, maxCount)) paths.push(path)
      checkCount(paths.length, maxCount)
    }
    return Result.succeed(paths)
  } catch (cause) {
    if (!(cause instanceof Refused)) throw cause
    const shown = shownLocation(pattern).slice(0, 200)
    const message = `expected a shard pattern such as "dir/{00000..00331}.tar", got ${
      JSON.stringify(shown)
    }: ${cause.message}`
    return Result.fail(new ShardError({ shard: shown, reason: "pattern", message }))
  }
}
