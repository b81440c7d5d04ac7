import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  checkDataUrl,
  dataUrl,
  escapeHtml,
  markup,
  plainText,
  raw,
  renderHtml,
  shorten
} from "../../lib/track/index.ts"
import { anyText } from "./tags.ts"

describe("escaping", () => {
  it("no foreign text leaves a mark of HTML, an open quote or a control character behind", () => {
    fc.assert(fc.property(anyText, (text) => {
      const escaped = escapeHtml(text)
      expect(escaped).not.toMatch(/[<>"'`\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
      expect(escaped.replace(/&(amp|lt|gt|quot|#39|#96);/g, "")).not.toContain("&")
      expect(escaped.isWellFormed()).toBe(true)
    }))
  })
  it("a template escapes what stands in it, also inside lists, and passes markup on", () => {
    const list = ["<b>", markup`<i>${'"x"'}</i>`, undefined, 7]
    expect(renderHtml(markup`<p title="${"a'b"}">${list}</p>${raw("<hr>")}`)).toBe(
      '<p title="a&#39;b">&lt;b&gt;<i>&quot;x&quot;</i>7</p><hr>'
    )
  })
  it("plain text keeps emoji sequences and turns line ends into spaces", () => {
    expect(plainText("a\r\n\tb\u001b[31m\u0000c\u202ed \ud800")).toBe("a b[31mcd \ufffd")
    expect(plainText("👩‍🚀🏳️‍🌈")).toBe("👩‍🚀🏳️‍🌈")
  })
  it("shortening counts characters, not code units", () => {
    expect(shorten("😀😀😀", 3)).toBe("😀😀😀")
    expect(shorten("😀😀😀😀", 3)).toBe("😀😀…")
  })
})

describe("embedded pictures", () => {
  it("any bytes make a URL that the report takes", () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => {
      const url = checkDataUrl(dataUrl("image/png", bytes))
      expect(new Uint8Array(Buffer.from(url.slice(url.indexOf(",") + 1), "base64"))).toEqual(bytes)
    }))
  })
  it("a URL that asks the network or can hold a script is refused", () => {
    for (
      const url of [
        "https://example.org/a.png",
        "javascript:0",
        "data:image/svg+xml;base64,AA",
        'data:image/png;base64,"'
      ]
    ) {
      expect(() => checkDataUrl(url)).toThrow("expected a picture as data:image/png;base64,…")
    }
  })
})
