import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { entityTable } from "../../lib/text/entities.ts"
import { unescapeHtml } from "../../lib/text/index.ts"

describe("the table of named references", () => {
  it("is the one of HTML 5: 2,231 names with their code points", () => {
    const { complete, legacy } = entityTable()
    const entries = [...[...complete].map(([name, value]) => [`${name};`, value] as const), ...legacy]
    expect(entries.length).toBe(2231)
    const lines = entries.toSorted(([a], [b]) => a < b ? -1 : 1).map(([name, value]) =>
      `${name} ${Array.from(value, (char) => char.codePointAt(0)?.toString(16)).join(" ")}`
    )
    // The same listing made with Python's html.entities.html5.
    expect(createHash("sha256").update(lines.join("\n")).digest("hex"))
      .toBe("bf0bc2f7f6a7ba09a5fd3d05ffd34332e5fe7201d6d93049761f6f6061e7620c")
  })

  it("has no name longer than six characters that counts without semicolon", () => {
    expect(Math.max(...Array.from(entityTable().legacy.keys(), (name) => name.length))).toBe(6)
  })
})

describe("unescapeHtml", () => {
  const cases: ReadonlyArray<readonly [claim: string, text: string, expected: string]> = [
    ["replaces named references", "Tom &amp; Jerry &eacute; &Jscr;", "Tom & Jerry é 𝒥"],
    ["replaces them once", "&amp;amp;", "&amp;"],
    ["knows names of two code points", "&NotEqualTilde; &fjlig;", "≂̸ fj"],
    ["reads old names without semicolon", "caf&eacute au lait &copy 2020", "café au lait © 2020"],
    ["reads the longest old name at the start of a word", "&notit; &notin; &ampx &ltx", "¬it; ∉ &x <x"],
    ["keeps new names without semicolon", "&hellip &notin", "&hellip ¬in"],
    ["keeps what isn't a reference", "& && &; &x; R&D &#; &#x; &#xg;", "& && &; &x; R&D &#; &#x; &#xg;"],
    ["reads numbers with and without semicolon", "&#65;&#66 &#x43;&#X44", "AB CD"],
    ["reads characters beyond the first plane", "&#128512;&#x1F600;", "😀😀"],
    ["reads 80 to 9F as windows-1252", "&#128;&#x92;&#153;&#x81;", "€’™\x81"],
    [
      "gives U+FFFD for zero, surrogates and too large numbers",
      "&#0;&#xD83D;&#x110000;&#99999999999;",
      "\ufffd\ufffd\ufffd\ufffd"
    ],
    ["gives nothing for other controls and noncharacters", "a&#1;&#x1f;&#xb;&#127;&#xfdd0;&#xfffe;&#x1ffff;b", "ab"],
    ["keeps white space among the controls", "&#9;&#10;&#12;&#13;&Tab;&NewLine;", "\t\n\f\r\t\n"],
    ["stops a name at white space, < and &", "&lt &lt< &lt&lt;", "< << <<"]
  ]
  it.each(cases)("%s", (_, text, expected) => {
    expect(unescapeHtml(text)).toBe(expected)
  })
})
