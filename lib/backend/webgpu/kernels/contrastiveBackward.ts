import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { Gpu } from "../gpu.ts"
import type { Groups, Limits } from "../limits.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { type Columns, columnsOf } from "./contrastiveForward.ts"
import { productCode } from "./contrastiveProduct.ts"
import { EDGE, THREADS, tileDeclarations, tileText } from "./contrastiveTile.ts"

type Statistics = "rowMax" | "rowSum" | "columnMax" | "columnSum"

/** The statistics side by side, [4, b], so that a shader binds one array of them: the sums as what one multiplies by. */
export const packCode: (params: Record<never, never>) => Shader<Statistics | "packed", "b"> = shaderOf(
  "contrastivePack",
  () => ({
    bindings: {
      rowMax: { access: "read", element: "f32" },
      rowSum: { access: "read", element: "f32" },
      columnMax: { access: "read", element: "f32" },
      columnSum: { access: "read", element: "f32" },
      packed: { access: "write", element: "f32" }
    },
    uniforms: { b: "u32" },
    workgroup: [THREADS, 1],
    body: `
let i = ${THREADS}u * group.x + lane;
if (i < settings.b) {
  packed[i] = rowMax[i];
  packed[settings.b + i] = 1.0 / rowSum[i];
  packed[2u * settings.b + i] = columnMax[i];
  packed[3u * settings.b + i] = 1.0 / columnSum[i];
}`
  })
)

type Weights = "u" | "t" | "scale" | "packed" | "ofTexts" | "ofImages" | "slopes"

/**
 * 2b times the logits' gradients of a tile: `ofImages` [column, row] is what the images' product takes, `ofTexts`
 * [row, column] the texts', of both sides of the loss or, detached, of the own one; lines are padded with zeros to whole
 * vectors. `slopes` [tile] are sums of gradient times cosine, both sides always.
 */
export const weightsCode: (
  params: { readonly isVector: boolean }
) => Shader<Weights, "b" | "e" | "first" | "columns" | "tile" | "isDetached"> = shaderOf(
  "contrastiveWeights",
  ({ isVector }) => ({
    bindings: {
      u: { access: "read", element: isVector ? "vec4<f32>" : "f32" },
      t: { access: "read", element: isVector ? "vec4<f32>" : "f32" },
      scale: { access: "read", element: "f32" },
      packed: { access: "read", element: "f32" },
      ofTexts: { access: "write", element: "f32" },
      ofImages: { access: "write", element: "f32" },
      slopes: { access: "update", element: "f32" }
    },
    uniforms: { b: "u32", e: "u32", first: "u32", columns: "u32", tile: "u32", isDetached: "u32" },
    workgroup: [THREADS, 1],
    declarations: tileDeclarations(isVector),
    body: `${tileText}
let textLine = 4u * ((settings.columns + 3u) / 4u);
let imageLine = 4u * ((settings.b + 3u) / 4u);
var slope = 0.0;
for (var at = lane; at < 1024u; at += ${THREADS}u) {
  let row = row0 + at / 16u;
  let inTile = columnsOf(at % 16u);
  let cosines = pool[at];
  let logits = cosines * scale[0];
  var rest = vec4<f32>(0.0);
  for (var c = 0u; c < 4u; c++) {
    let column = column0 + inTile[c];
    let place = column - settings.first;
    var image = 0.0;
    var text = 0.0;
    if (row < settings.b && column < settings.b) {
      let own = select(0.0, 1.0, row == column);
      image = exp(logits[c] - packed[row]) * packed[settings.b + row] - own;
      text = exp(logits[c] - packed[2u * settings.b + column]) * packed[3u * settings.b + column] - own;
      slope += (image + text) * cosines[c];
    }
    let both = image + text;
    rest[c] = select(both, image, settings.isDetached == 1u);
    if (row < settings.b && place < textLine) {
      ofTexts[row * textLine + place] = select(both, text, settings.isDetached == 1u);
    }
  }
  pool[at] = rest;
}
workgroupBarrier();
for (var at = lane; at < 1024u; at += ${THREADS}u) {
  let row = row0 + at % 64u;
  let inTile = columnsOf(at / 64u);
  let weights = pool[16u * (at % 64u) + at / 64u];
  for (var c = 0u; c < 4u; c++) {
    let place = column0 + inTile[c] - settings.first;
    if (place < settings.columns && row < imageLine) { ofImages[place * imageLine + row] = weights[c]; }
  }
}
workgroupBarrier();
pool[lane] = vec4<f32>(slope, 0.0, 0.0, 0.0);
for (var half = ${THREADS / 2}u; half > 0u; half /= 2u) {
  workgroupBarrier();
  if (lane < half) { pool[lane].x += pool[lane + half].x; }
}
if (lane == 0u) { slopes[settings.tile + group.y * groups.x + group.x] = pool[0].x; }`
  })
)

/** dscale: the sum of all tiles' slopes, one workgroup, so that the order is fixed. */
export const slopeCode: (
  params: { readonly width: number }
) => Shader<"slopes" | "dy" | "dscale", "tiles" | "rate"> = shaderOf("contrastiveSlope", ({ width }) => ({
  bindings: {
    slopes: { access: "read", element: "f32" },
    dy: { access: "read", element: "f32" },
    dscale: { access: "write", element: "f32" }
  },
  uniforms: { tiles: "u32", rate: "f32" },
  workgroup: [width, 1],
  declarations: `var<workgroup> sums: array<f32, ${width}>;`,
  body: `
var sum = 0.0;
for (var i = lane; i < settings.tiles; i += ${width}u) { sum += slopes[i]; }
sums[lane] = sum;
for (var half = ${width / 2}u; half > 0u; half /= 2u) {
  workgroupBarrier();
  if (lane < half) { sums[lane] += sums[lane + half]; }
}
if (lane == 0u) { dscale[0] = sums[0] * dy[0] * settings.rate; }`
}))

/** Bytes that each of the two arrays of weights may have: the columns of 2048 pairs of 4096. */
const MOST_BYTES = 2 ** 25

const line = (size: number): number => 4 * Math.ceil(size / 4)

/** The ranges of columns, so that no array has more than `most` bytes unless one tile's width needs them. */
export const backwardPlan = (b: number, limits: Limits, most: number = MOST_BYTES): ReadonlyArray<Columns> => {
  const bytes = Math.min(most, limits.maxStorageBufferBindingSize, limits.maxBufferSize)
  return columnsOf(b, EDGE * Math.max(1, Math.floor(bytes / (4 * EDGE * line(b)))))
}

/** Workgroups of a product of [rows, e] numbers. */
export const productGroups = (rows: number, e: number): Groups => [Math.ceil(e / EDGE), Math.ceil(rows / EDGE), 1]

/** dy [], the forward's inputs and its statistics -> du, dt [b, e] and dscale []. */
export const backward = (
  gpu: Gpu,
  inputs: Readonly<Record<"dy" | "u" | "t" | "scale" | Statistics, TensorInfo>>,
  isDetached: boolean,
  ranges: ReadonlyArray<Columns>
): Readonly<Record<"du" | "dt" | "dscale", TensorInfo>> => {
  const { dy, u, t, scale, rowMax, rowSum, columnMax, columnSum } = inputs
  const [b = 0, e = 0] = u.shape
  const isVector = e % 4 === 0
  const rate = 0.5 / b
  const widest = ranges[0]?.size ?? 0
  const tiles = ranges.map(({ groups }) => groups[0] * groups[1])
  const packed = gpu.output([4, b])
  const ofTexts = gpu.output([b, line(widest)])
  const ofImages = gpu.output([widest, line(b)])
  const slopes = gpu.output([tiles.reduce((sum, count) => sum + count, 0)])
  const [du, dt, dscale] = [gpu.output([b, e]), gpu.output([b, e]), gpu.output([])]
  gpu.run(packCode({}), { rowMax, rowSum, columnMax, columnSum, packed }, { b }, [Math.ceil(b / THREADS), 1, 1])
  let tile = 0
  ranges.forEach(({ first, size, groups }, i) => {
    const given = { u, t, scale, packed, ofTexts, ofImages, slopes }
    const place = { b, e, first, columns: size, tile, isDetached: isDetached ? 1 : 0 }
    gpu.run(weightsCode({ isVector }), given, place, groups)
    tile += tiles[i] ?? 0
    const product = productCode({ isVector })
    // The images' gradients gather over all ranges of texts, the texts' are whole after their own.
    const ofU = { length: size, xRow: first, rows: b, dxRow: 0, e, isFirst: i === 0 ? 1 : 0, rate }
    gpu.run(product, { weights: ofImages, x: t, scale, dy, dx: du }, ofU, productGroups(b, e))
    const ofT = { length: b, xRow: 0, rows: size, dxRow: first, e, isFirst: 1, rate }
    gpu.run(product, { weights: ofTexts, x: u, scale, dy, dx: dt }, ofT, productGroups(size, e))
  })
  gpu.run(slopeCode({ width: 256 }), { slopes, dy, dscale }, { tiles: tile, rate }, [1, 1, 1])
  for (const tensor of [packed, ofTexts, ofImages, slopes]) gpu.free(tensor)
  return { du, dt, dscale }
}
