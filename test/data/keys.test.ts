import { describe, expect, it } from "vitest"
import { splitMemberName } from "../../lib/data/index.ts"
import { extensionProblem, keyProblem } from "../../lib/data/keys.ts"

describe("member names", () => {
  it("the extension begins at the first dot after the last slash, and the directory belongs to the key", () => {
    expect(splitMemberName("a/b.c.jpg")).toEqual({ key: "a/b", extension: "c.jpg" })
    expect(splitMemberName("a.b/c.jpg")).toEqual({ key: "a.b/c", extension: "jpg" })
    expect(splitMemberName("000010023.jpg")).toEqual({ key: "000010023", extension: "jpg" })
    expect(splitMemberName("./x.txt")).toEqual({ key: "./x", extension: "txt" })
  })

  it("extensions are lower-cased and keys are not", () => {
    expect(splitMemberName("Ab.JPG")).toEqual({ key: "Ab", extension: "jpg" })
  })

  it("names without a dot, top-level names that start with one, and metadata belong to no sample", () => {
    for (const name of ["readme", "a/readme", ".hidden", "__index__", "__meta__.json", "a/__meta__.json", ""]) {
      expect(splitMemberName(name), name).toBeUndefined()
    }
  })

  it("a key that is accepted for writing comes back as it was", () => {
    for (const key of ["0001", "a/b", "a.b/c", "ü 1", "_x_"]) {
      expect(keyProblem(key), key).toBeUndefined()
      expect(splitMemberName(`${key}.png`)).toEqual({ key, extension: "png" })
    }
    for (const key of ["", "a.b", "a/", "/a", "../a", "a//b", "__x__", "a\nb", "a\\b"]) {
      expect(keyProblem(key), key).toBeTypeOf("string")
    }
    for (const extension of ["png", "seg.png", "c_1-x"]) expect(extensionProblem(extension)).toBeUndefined()
    for (const extension of ["", "PNG", "a/b", ".png", "a..b", "a b"]) {
      expect(extensionProblem(extension), extension).toBeTypeOf("string")
    }
  })
})
