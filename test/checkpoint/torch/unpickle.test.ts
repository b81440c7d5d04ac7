import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { UnsafePickle } from "../../../lib/checkpoint/index.ts"
import { isTensor, memorySource, openTorch, readTensor } from "../../../lib/checkpoint/index.ts"
import { bytes, global, int, openedPickle, pickle, tensor, text, torchZip, uint32 } from "./pickles.ts"

const rootOf = (data: Uint8Array) => {
  const file = openedPickle(data)
  if (!("root" in file)) throw file
  return file.root
}

describe("a pickle that asks for more than data", () => {
  it.each(
    [
      ["os.system by REDUCE", pickle(global("os", "system"), "(", text("echo pwned"), "tR"), "global os.system"],
      [
        "a global that is never called",
        pickle("}", text("a"), global("builtins", "eval"), "s"),
        "global builtins.eval"
      ],
      ["STACK_GLOBAL", pickle(text("posix"), text("system"), "\x93"), "global posix.system"],
      ["a listed module's other name", pickle(global("torch._utils", "_rebuild_qtensor")), "_rebuild_qtensor"],
      ["a name that hides a listed one", pickle(global("collections", "OrderedDict.__init__")), "OrderedDict.__init__"],
      ["torch.load's own way in", pickle(global("torch.serialization", "load")), "global torch.serialization.load"],
      ["a prototype's name", pickle(global("__proto__", "constructor")), "global __proto__.constructor"],
      ["INST", pickle("(ios\nsystem\n"), "opcode INST"],
      ["OBJ", pickle("(", text("a"), "o"), "opcode OBJ"],
      ["EXT1", pickle("\x82\x01"), "opcode EXT1"],
      ["NEWOBJ_EX", pickle(")}\x92"), "opcode NEWOBJ_EX"],
      ["PERSID", pickle("Pkey\n"), "opcode PERSID"],
      ["an opcode that no protocol has", pickle("\xff"), "unknown opcode 0xff"],
      ["a call of a storage class", pickle(global("torch", "FloatStorage"), ")R"), "a call of torch.FloatStorage"],
      ["a call of a text", pickle(text("eval"), ")R"), "a call of text"],
      [
        "an instance of a listed function",
        pickle(global("_codecs", "encode"), ")\x81"),
        "an instance of _codecs.encode"
      ],
      ["BUILD of a path", pickle(global("pathlib", "PosixPath"), ")R}b"), "a BUILD of pathlib.PosixPath"],
      ["BUILD of a list", pickle("]}b"), "a BUILD of list"]
    ] as const
  )("%s is refused by name, with its offset", (_, data, refused) => {
    const error = openedPickle(data)
    expect(error).toBeInstanceOf(UnsafePickle)
    if (!(error instanceof UnsafePickle)) return
    expect(error.refused).toContain(refused)
    expect(error.offset).toBeGreaterThan(0)
    expect(error.message).toContain(`at byte ${error.offset}`)
  })

  it("what is refused is made harmless for a terminal, and cut", () => {
    const error = openedPickle(pickle(global("\x1b[31m", "x".repeat(500))))
    expect(error).toMatchObject({ _tag: "UnsafePickle", refused: expect.stringMatching(/^global \P{C}{60,90}…/u) })
  })
})

describe("a damaged pickle", () => {
  const manyMarks = "(".repeat(200_000)
  it.each(
    [
      ["no end", bytes("\x80\x02}")],
      ["an empty stack", pickle("0").subarray(0, 2)],
      ["nothing to append to", pickle("a")],
      ["no mark", pickle("t")],
      ["a pop below the mark", pickle("](a")],
      ["two values at the end", pickle("}}")],
      ["a mark at the end", pickle("}(")],
      ["a memo entry that is not there", pickle("h\x07")],
      ["an odd number of items", pickle("}(", text("a"), "u")],
      ["a list as a key", pickle("}]Ns")],
      ["a text beyond the end", pickle("X", uint32(0xffffffff), "abc")],
      ["a text of 2^60 bytes", pickle("\x8d", [0, 0, 0, 0, 0, 0, 0, 16], "abc")],
      ["bytes of 2^63", pickle("\x8e", [0, 0, 0, 0, 0, 0, 0, 128], "abc")],
      ["a number of 2^31 bytes", pickle("\x8b", uint32(0x7fffffff))],
      ["a text that is no UTF-8", pickle("X", uint32(2), "\xff\xfe")],
      ["a frame beyond the end", pickle("\x95", [0, 0, 0, 1, 0, 0, 0, 0], "}")],
      ["protocol 0", bytes("\x80\x00}.")],
      ["protocol 6", bytes("\x80\x06}.")],
      ["a global without an end", pickle("c", "a".repeat(5000))],
      ["a persistent id that is none", pickle(text("storage"), "Q")],
      ["marks and nothing else", pickle(manyMarks)],
      [
        "a code point above 255 as a byte",
        pickle(global("_codecs", "encode"), "(X", uint32(2), "\xc4\x80", text("latin1"), "tR")
      ],
      ["another encoding", pickle(global("_codecs", "encode"), "(", text("a"), text("rot13"), "tR")],
      ["an OrderedDict of something", pickle(global("collections", "OrderedDict"), "(]tR")],
      [
        "a NumPy scalar of objects",
        pickle(
          global("numpy.core.multiarray", "scalar"),
          "(",
          global("numpy", "dtype"),
          "(",
          text("O8"),
          "tR",
          text("a"),
          "tR"
        )
      ],
      ["bytes after the end", bytes(...pickle("}"), "}")]
    ] as const
  )("%s is a CheckpointError", (_, data) => {
    expect(openedPickle(data)).toMatchObject({ _tag: "CheckpointError" })
  })

  it("a list that holds itself, and a tree of references as deep as the file, are read in linear time", () => {
    const self = rootOf(pickle("]q\x00h\x00a"))
    expect(self).toMatchObject({ kind: "list" })
    // [x, x] of [x, x] of … : 2^60 leaves if one walked them.
    const laughs = Array.from(
      { length: 60 },
      (_, i) => ["](", ...(i === 0 ? ["NN"] : [[0x68, i - 1, 0x68, i - 1]]), "e", [0x71, i]]
    ).flat()
    expect(rootOf(pickle("(", ...laughs, "t"))).toMatchObject({ kind: "tuple" })
    const deep = rootOf(pickle("]".repeat(100_000), "a".repeat(99_999)))
    expect(deep).toMatchObject({ kind: "list" })
  })

  it("more opcodes than the cap are refused before memory goes", () => {
    const error = openedPickle(new Uint8Array(2 ** 21 + 10).fill(0x4e))
    expect(error).toMatchObject({ _tag: "CheckpointError", reason: "tooLarge" })
  })

  it("calls cannot make more bytes than their budget", () => {
    const long = [0x58, ...uint32(2 ** 16), ...new Uint8Array(2 ** 16).fill(97)]
    const calls = Array.from({ length: 260 }, () => [global("_codecs", "encode"), "(h\x00h\x01tR"]).flat()
    const error = openedPickle(pickle("(", long, "q\x00", text("latin1"), "q\x01", ...calls, "t"))
    expect(error).toMatchObject({ _tag: "CheckpointError", reason: "tooLarge" })
  })
})

describe("tensors", () => {
  const read = (data: Uint8Array, storages: Readonly<Record<string, number>> = { "0": 6 }) =>
    Effect.runSync(Effect.gen(function* () {
      const file = yield* openTorch(memorySource("file.pt", torchZip(data, storages)))
      if (!isTensor(file.root)) throw new TypeError("no tensor")
      const stored = yield* readTensor(file, "t", file.root)
      return [...new Float32Array(stored.bytes.slice().buffer)]
    }))

  it("strides, offsets and stride 0 give the numbers in the order of the shape", () => {
    expect(read(pickle(tensor([2, 3], [3, 1])))).toEqual([0, 1, 2, 3, 4, 5])
    expect(read(pickle(tensor([3, 2], [1, 3])))).toEqual([0, 3, 1, 4, 2, 5])
    expect(read(pickle(tensor([2, 2], [2, 1], { offset: 2 })))).toEqual([2, 3, 4, 5])
    expect(read(pickle(tensor([2, 3], [1, 0])))).toEqual([0, 0, 0, 1, 1, 1])
    expect(read(pickle(tensor([], [], { offset: 5 })))).toEqual([5])
    expect(read(pickle(tensor([0, 7], [7, 1])))).toEqual([])
  })

  it.each(
    [
      ["reaches past its storage", tensor([2, 4], [4, 1])],
      ["starts past it", tensor([1], [1], { offset: 6 })],
      ["has a negative stride", tensor([2], [-1])],
      ["has a negative size", tensor([-2], [1])],
      ["has a negative offset", tensor([1], [1], { offset: -1 })],
      ["has fewer strides than axes", tensor([2, 3], [1])],
      ["has 65 axes", tensor(Array.from({ length: 65 }, () => 1), Array.from({ length: 65 }, () => 1))],
      ["is expanded to 2^60 elements", tensor([2 ** 30, 2 ** 30], [0, 0])],
      ["is as long as its strides make it", tensor([2 ** 30, 2], [2 ** 30, 1])],
      ["has a storage of a negative size", tensor([1], [1], { numel: -1 })],
      ["has a storage larger than the file", tensor([1], [1], { numel: 2 ** 30 })]
    ] as const
  )("one that %s is refused before anything is allocated", (_, parts) => {
    expect(openedPickle(pickle(parts), { "0": 6 })).toMatchObject({ _tag: "CheckpointError" })
  })

  it("a storage that contradicts itself, is missing or too short is refused", () => {
    const two = pickle("](", tensor([2], [1]), tensor([2], [1], { numel: 5 }), "e")
    expect(openedPickle(two, { "0": 6 })).toMatchObject({ _tag: "CheckpointError", message: /storage "0"/ })
    expect(() => read(pickle(tensor([6], [1])), {})).toThrow(/no such record/)
    expect(() => read(pickle(tensor([6], [1])), { "0": 5 })).toThrow(/24 bytes in storage "0"/)
  })

  it("elements of complex and quantized types are named, not decoded", () => {
    const parts = pickle(tensor([1], [1], { storage: "ComplexFloatStorage" }))
    expect(openedPickle(parts)).toHaveProperty("root")
    expect(() => read(parts)).toThrow(/found torch.ComplexFloatStorage/)
  })
})

describe("values", () => {
  it("NumPy scalars, paths and Namespaces of the published files are plain values", () => {
    const dtype = [
      global("numpy", "dtype"),
      "(",
      text("f8"),
      "\x89\x88tR(K\x03",
      text("<"),
      "NNN",
      int(-1),
      int(-1),
      "K\x00tb"
    ]
    const half = [
      global("_codecs", "encode"),
      "(",
      [0x58, ...uint32(9), 0, 0, 0, 0, 0, 0, 0xc3, 0xa0, 0x3f],
      text("latin1"),
      "tR"
    ]
    for (const module of ["numpy.core.multiarray", "numpy._core.multiarray"]) {
      expect(rootOf(pickle(global(module, "scalar"), "(", ...dtype, ...half, "tR"))).toBe(0.5)
    }
    const path = rootOf(pickle(global("pathlib", "PosixPath"), "(", text("/"), text("data"), "tR"))
    expect(path).toMatchObject({ kind: "object", name: "pathlib PosixPath", args: ["/", "data"] })
    const args = rootOf(pickle(global("argparse", "Namespace"), ")\x81}", text("lr"), "K\x07sb"))
    expect(args).toMatchObject({ kind: "object", name: "argparse Namespace" })
  })

  it("whole numbers are exact whatever their size, and protocol 4 reads as 2 does", () => {
    expect(rootOf(pickle("\x8a\x00"))).toBe(0)
    expect(rootOf(pickle("\x8a\x09", [0, 0, 0, 0, 0, 0, 0, 0, 1]))).toBe(2n ** 64n)
    expect(rootOf(pickle("\x8a\x01\xff"))).toBe(-1)
    const four = bytes("\x80\x04\x95", [7, 0, 0, 0, 0, 0, 0, 0], "\x8c\x01a\x94h\x00\x86.")
    expect(rootOf(four)).toEqual({ kind: "tuple", items: ["a", "a"] })
  })
})
