/**
 * A key that occurs twice in one object of a JSON text, which `JSON.parse` would pass over in silence; undefined when
 * there is none. The text must be valid JSON.
 */
export const duplicateKey = (json: string): string | undefined => {
  const open: Array<Set<string> | undefined> = [] // a set per open object, undefined per open array
  let last: string | undefined // the string that was read last, still in quotes
  for (let i = 0; i < json.length; i++) {
    const char = json.charAt(i)
    if (char === "{") open.push(new Set())
    else if (char === "[") open.push(undefined)
    else if (char === "}" || char === "]") open.pop()
    else if (char === '"') {
      const start = i
      for (i++; json.charAt(i) !== '"'; i++) if (json.charAt(i) === "\\") i++
      last = json.slice(start, i + 1)
    } else if (char === ":" && last !== undefined) {
      const key = String(JSON.parse(last))
      const keys = open.at(-1)
      if (keys?.has(key)) return key
      keys?.add(key)
    }
  }
  return undefined
}
