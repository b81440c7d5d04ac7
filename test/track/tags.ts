import fc from "fast-check"

const voidElements = new Set(["meta", "img", "hr", "br", "input", "!doctype"])

/** Throws unless every tag is closed by its like, attributes are quoted, and no bare `<` or `&` stands between. */
export const checkTags = (markup: string): void => {
  const body = markup.replace(/<style>[^<]*<\/style>/g, "")
  const open: Array<string> = []
  const rest = body.replace(
    /<(\/?)([!a-zA-Z][\w-]*)((?:\s+[\w:-]+(?:="[^"<]*")?)*)\s*>/g,
    (_, slash: string, name: string) => {
      const tag = name.toLowerCase()
      if (slash === "" && !voidElements.has(tag)) open.push(tag)
      if (slash === "/" && open.pop() !== tag) throw new SyntaxError(`</${tag}> closes nothing`)
      return ""
    }
  )
  if (open.length > 0) throw new SyntaxError(`never closed: ${open}`)
  const bare = /[<>]|&(?!(amp|lt|gt|quot|#\d+);)/.exec(rest)
  if (bare !== null) throw new SyntaxError(`bare ${rest.slice(bare.index, bare.index + 60)}`)
}

/** Foreign text with what hurts: markup, quotes, control characters, lone surrogates, directions. */
export const anyText: fc.Arbitrary<string> = fc.array(
  fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      "<script>alert(1)</script>",
      '"><img src=x onerror=a>',
      "&lt;",
      "'",
      "`",
      "\u001b[2J",
      "\u202e",
      "\ud800",
      "\u0000",
      "]]>",
      "-->",
      "😀"
    )
  ),
  { maxLength: 6 }
).map((parts) => parts.join(""))
