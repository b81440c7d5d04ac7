import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isBad } from "../../../lib/text/ftfy/badness.ts"
import { decodeUtf8, decodeUtf8Variants, encode } from "../../../lib/text/ftfy/bytes.ts"
import { codePages } from "../../../lib/text/ftfy/codePages.ts"
import { fixEncoding, fixText, isPlain } from "../../../lib/text/ftfy/index.ts"

/** UTF-8 bytes of a text, one character a byte. */
const utf8 = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text))

/** The text as somebody sees who reads its UTF-8 in that code page. */
const misread = (text: string, page: string): string => {
  const upper = codePages.find(({ name }) => name === page)?.upper ?? ""
  return utf8(text).replace(/[\x80-\xff]/g, (byte) => upper.charAt(byte.charCodeAt(0) - 0x80))
}

describe("fixEncoding", () => {
  const repaired: ReadonlyArray<readonly [claim: string, text: string, expected: string]> = [
    ["reads Latin-1", misread("schön", "latin-1"), "schön"],
    ["reads windows-1252", "âœ” No problems", "✔ No problems"],
    ["reads windows-1251", misread("привет, мир — да", "sloppy-windows-1251"), "привет, мир — да"],
    ["reads windows-1250", misread("“więcej”", "sloppy-windows-1250"), "“więcej”"],
    ["reads windows-1253", misread("“Ελλάδα”", "sloppy-windows-1253"), "“Ελλάδα”"],
    ["reads MacRoman", misread("“très bien”", "macroman"), "“très bien”"],
    ["reads cp437", misread("très bien, señor", "cp437"), "très bien, señor"],
    [
      "goes on until nothing is misread",
      misread(misread("l’été", "sloppy-windows-1252"), "sloppy-windows-1252"),
      "l’été"
    ],
    ["restores the byte A0 that became a space", "voilÃ le travail", "voilà le travail"],
    ["keeps the word à apart", "Ã la mode", "à la mode"],
    ["marks what was lost as U+FFFD", "â€œ like this â€�", "“ like this �"],
    ["repairs a run inside sound text", "日本 â€” sound “quotes”", "日本 — sound “quotes”"],
    ["reads CESU-8", "\u00ed\u00a0\u00bd\u00ed\u00b8\u0080 \u00c3\u00a9", "😀 é"],
    ["reads C1 controls as windows-1252", "never UTF-8 at all\x85", "never UTF-8 at all…"]
  ]
  it.each(repaired)("%s", (_, text, expected) => {
    expect(fixEncoding(text)).toBe(expected)
  })

  it.each([
    "not such a fan of Charlotte Brontë…”",
    "AHÅ™, the new sofa from IKEA®",
    "This text is fine already :þ",
    "Ελληνικά και русский язык",
    "100 µm × 20 °C, £5, ½ “quoted” – naïve café",
    "日本語 한국어 العربية"
  ])("leaves honest text alone: %s", (text) => {
    expect(isBad(text) && fixEncoding(text) !== text).toBe(false)
  })
})

describe("fixText", () => {
  const cases: ReadonlyArray<readonly [claim: string, text: string, expected: string]> = [
    ["does several things at once", "Broken text&hellip; it&#x2019;s ﬂubberiﬁc!", "Broken text… it's flubberific!"],
    ["unescapes before it repairs encodings", "&macr;\\_(ã\x83\x84)_/&macr;", "¯\\_(ツ)_/¯"],
    ["knows names in capitals", "P&EACUTE;REZ BUNDESSTRA&SZLIG;E &nTILDE;", "PÉREZ BUNDESSTRASSE &nTILDE;"],
    ["leaves references without semicolon", "this&not that &amp", "this&not that &amp"],
    ["leaves a reference to the semicolon", "a&#59;b", "a&#59;b"],
    ["unescapes up to the first line with a <", "&amp;\n<b>&amp;\n&amp;", "&\n<b>&amp;\n&amp;"],
    ["takes full-width and half-width forms", "ＬＯＵＤ　ＮＯＩＳＥＳ Ｕﾀｰﾝ", "LOUD NOISES Uターン"],
    ["straightens quotes, the modifier apostrophe too", "“a” ‘b’ „c‟ ʼd", '"a" \'b\' "c" \'d'],
    ["takes digraphs apart", "ŉ Ǆ ǌ ĳ", "'n DŽ nj ij"],
    ["makes one kind of line break", "a\r\nb\rc\u2028d\u2029e", "a\nb\nc\nd\ne"],
    ["takes out terminal escapes", "\x1b[36;44mblue\x1b[0m", "blue"],
    [
      "keeps form feeds and joiners, drops other controls",
      "a\x00\x08\x0b\f\x7f\ufeff\u206a\ufffc\u200db",
      "a\f\u200db"
    ],
    ["replaces lone surrogates", "\udca9\ud83d 💩", "\ufffd\ufffd 💩"],
    ["composes", "cafe\u0301", "café"],
    ["repeats until nothing changes", "&amp;eacute; &amp;amp;amp;", "é &"]
  ]
  it.each(cases)("%s", (_, text, expected) => {
    expect(fixText(text)).toBe(expected)
  })

  it("changes nothing that it has fixed", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
      const once = fixText(text)
      if (!once.includes("<") && !once.includes("\n")) expect(fixText(once)).toBe(once)
    }))
  })

  it("leaves plain text alone also on the long way", () => {
    fc.assert(fc.property(fc.string({ unit: "binary-ascii", maxLength: 60 }), (text) => {
      // The added letter takes the text off the short path and is itself left alone.
      if (isPlain(text)) expect(fixText(`${text}日`)).toBe(`${text}日`)
    }))
  })
})

describe("bytes", () => {
  it("of every code page come back", () => {
    const all = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("")
    for (const page of codePages) {
      expect(page.upper.length).toBe(128)
      expect(new Set(page.upper).size).toBe(128)
      const lower = all.slice(0, 128)
      const text = (page.isSloppy ? lower.replace("\x1a", "\ufffd") : lower) + page.upper
      expect(encode(page, text)).toBe(all)
    }
  })

  it("decode as UTF-8 exactly where the platform's strict decoder does", () => {
    const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
    const platform = (bytes: Uint8Array): string | undefined => {
      try {
        return strict.decode(bytes)
      } catch (cause) {
        if (cause instanceof TypeError) return undefined
        throw cause
      }
    }
    const byte = fc.oneof(fc.integer({ min: 0x80, max: 0xbf }), fc.integer({ min: 0, max: 255 }))
    const lead = fc.constantFrom(0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0x41)
    fc.assert(
      fc.property(fc.tuple(lead, fc.array(byte, { maxLength: 4 })), ([first, rest]) => {
        const bytes = Uint8Array.of(first, ...rest)
        expect(decodeUtf8(String.fromCharCode(...bytes))).toBe(platform(bytes))
      }),
      { numRuns: 2000 }
    )
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(decodeUtf8(utf8(text))).toBe(text)
      expect(decodeUtf8Variants(utf8(text))).toBe(text)
    }))
  })

  it("of CESU-8 and Java's zero decode in the tolerant reading alone", () => {
    const variants = "\xed\xa0\xbd\xed\xb8\x80 \xc0\x80"
    expect(decodeUtf8Variants(variants)).toBe("😀 \0")
    expect(decodeUtf8(variants)).toBe(undefined)
    expect(decodeUtf8Variants("\xed\xa0\xbd no pair")).toBe(undefined)
    expect(decodeUtf8Variants("\xc0")).toBe(undefined)
  })
})
