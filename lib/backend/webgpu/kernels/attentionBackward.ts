import { type Shader, shaderOf } from "../shader.ts"
import {
  eachColumn,
  eachRow,
  eachScore,
  elementOf,
  loadOwn,
  loadTile,
  overMaps,
  partOf,
  products,
  prologue,
  scoreType,
  store,
  streamed,
  type Text,
  tileAt,
  times
} from "./attentionText.ts"
import { attentionUniforms, rowOf, type Tiles, workgroupOf } from "./attentionTiles.ts"

/** Two weights a map for each pair of own and streamed row. */
const declarations = (tiles: Tiles, own: readonly [string, string]): string => {
  const { maps, rows, columns } = tiles
  const { length, stride } = rowOf(tiles)
  return `${scoreType(tiles)}
alias Weights = vec${2 * maps}<f32>;
${own.map((name) => `var<workgroup> ${name}: array<vec4<f32>, ${rows * length}>;`).join("\n")}
var<workgroup> tile: array<vec4<f32>, ${columns * stride}>;
var<workgroup> weights: array<Weights, ${rows * columns}>;`
}

/** The largest score of a row and the inverse of its sum, for each map: `name`Most, `name`Inverse; 0 behind the last row. */
const rowStats = ({ maps }: Tiles, name: string, row: string): string =>
  `var ${name}Most = Score(0.0);
var ${name}Inverse = Score(0.0);
if (${row} < settings.tokens) {
${
    times(maps, (m) =>
      `{
let at = 2u * (mapRows + ${m}u * settings.tokens + ${row});
${maps === 1 ? `${name}Most` : `${name}Most.${"xy"[m]}`} = stats[at];
${maps === 1 ? `${name}Inverse` : `${name}Inverse.${"xy"[m]}`} = stats[at + 1u];
}`)
  }
}`

/** By what the gradient of each map's scores is multiplied: the second map is subtracted `lambda` times. */
const signOf = ({ maps }: Tiles, lambda: string): string => maps === 1 ? "1.0" : `Score(1.0, -${lambda})`

/**
 * dq of a tile of rows, keys streamed. With p the weights of a map and dA = dy v^T, it sums X = p dA k, Y = p k and
 * D = p dA, and dq = X - D Y: the row's D is not known before its last key. D goes to `dots` [B, H, N], H of q. With 2
 * maps, the sum over own rows of the second map's D follows, one number a workgroup, and last of all lambda: the shader
 * for dk and dv has no binding left for it. Buffers dy, q, k, v, stats, dq, dots, and lambda where there are 2 maps.
 */
export const queryGradientText = (tiles: Tiles): Text => {
  const { maps, rows, columns, lanes } = tiles
  return {
    declarations: declarations(tiles, ["ownQ", "ownG"]),
    body: `${prologue(tiles)}
${loadOwn(tiles, "q", "ownQ")}
${loadOwn(tiles, "dy", "ownG")}
${
      eachRow(tiles, (k) =>
        `${rowStats(tiles, `row${k}`, `first + row${k}`)}
var dot${k} = Score(0.0);
${eachColumn(tiles, (m, i) => `var x${k}_${m}_${i} = vec4<f32>(0.0); var y${k}_${m}_${i} = vec4<f32>(0.0);`)}`)
    }
let end = select(settings.tokens, min(settings.tokens, first + ${rows}u), settings.causal != 0u);
for (var key0 = 0u; key0 < end; key0 += ${columns}u) {
${loadTile(tiles, "v", "key0")}
workgroupBarrier();
${products(tiles, "ownG", "t")}
${loadTile(tiles, "k", "key0")}
workgroupBarrier();
${products(tiles, "ownQ", "s")}
${
      eachScore(tiles, (k, i) =>
        `{
let key = key0 + ${streamed(tiles, i)};
let seen = key < settings.tokens && (settings.causal == 0u || key <= first + row${k});
let p = select(Score(0.0), expOf(s${k}_${i} - row${k}Most) * row${k}Inverse, seen);
let pA = p * ${overMaps(tiles, `t${k}_${i}`)};
dot${k} += pA;
weights[row${k} * ${columns}u + ${streamed(tiles, i)}] = Weights(p, pA);
}`)
    }
workgroupBarrier();
for (var c = 0u; c < ${columns}u; c++) {
${eachRow(tiles, (k) => `let w${k} = weights[row${k} * ${columns}u + c];`)}
${
      eachColumn(tiles, (m, i) =>
        `{
let x = ${tileAt(tiles, m, i)};
${
          eachRow(tiles, (k) =>
            `y${k}_${m}_${i} += w${k}[${m}] * x;
x${k}_${m}_${i} += w${k}[${maps + m}] * x;`)
        }
}`)
    }
}
}
workgroupBarrier();
${eachRow(tiles, (k) => `weights[row${k} * ${columns}u + g] = Weights(dot${k}, dot${k});`)}
workgroupBarrier();
${
      eachRow(tiles, (k) =>
        `var total${k} = Score(0.0);
for (var t = 0u; t < ${lanes}u; t++) {
let w = weights[row${k} * ${columns}u + t];
total${k} += ${maps === 1 ? "w.x" : "w.xy"};
}
if (first + row${k} < settings.tokens) {
let factor = settings.scale * ${signOf(tiles, "lambda[0]")};
${
          eachColumn(tiles, (m, i) =>
            store(
              tiles,
              "dq",
              k,
              m,
              i,
              `${partOf(tiles, "factor", m)} * (x${k}_${m}_${i} - ${partOf(tiles, `total${k}`, m)} * y${k}_${m}_${i})`
            ))
        }
if (g == 0u) {
${
          times(
            maps,
            (m) => `dots[mapRows + ${m}u * settings.tokens + first + row${k}] = ${partOf(tiles, `total${k}`, m)};`
          )
        }
}
}`)
    }
${
      maps === 1 ? "" : `workgroupBarrier();
${eachRow(tiles, (k) => `if (g == 0u) { weights[row${k}].x = total${k}.y; }`)}
workgroupBarrier();
if (lane == 0u) {
var sum = 0.0;
for (var r = 0u; r < ${rows}u; r++) { if (first + r < settings.tokens) { sum += weights[r].x; } }
dots[settings.numRows + place] = sum;
if (place == 0u) { dots[settings.numRows + settings.count] = lambda[0]; }
}`
    }`
  }
}

/**
 * dk and dv of a tile of keys, rows streamed: dv = (p1 - lambda p2) dy, dk = p (dA - D) q of each map. A streamed tile
 * holds one tensor at a time, q, then dy, then q again: larger tiles are worth more than the third copy. Buffers dy, q,
 * k, v, stats, dots, dk, dv.
 */
const keyGradientText = (tiles: Tiles): Text => {
  const { maps, columns } = tiles
  const accumulate = (name: string, weight: (m: number) => number): string =>
    `for (var c = 0u; c < ${columns}u; c++) {
${eachRow(tiles, (k) => `let w${k} = weights[row${k} * ${columns}u + c];`)}
${
      eachColumn(tiles, (m, i) =>
        `{
let x = ${tileAt(tiles, m, i)};
${eachRow(tiles, (k) => `${name}${k}_${m}_${i} += w${k}[${weight(m)}] * x;`)}
}`)
    }
}`
  return {
    declarations: declarations(tiles, ["ownK", "ownV"]),
    body: `${prologue(tiles)}
${loadOwn(tiles, "k", "ownK")}
${loadOwn(tiles, "v", "ownV")}
${maps === 1 ? "" : "let lambda = dots[settings.numRows + settings.count];"}
${
      eachRow(tiles, (k) =>
        eachColumn(tiles, (m, i) =>
          `var dk${k}_${m}_${i} = vec4<f32>(0.0); var dv${k}_${m}_${i} = vec4<f32>(0.0);`))
    }
for (var begin = select(0u, first, settings.causal != 0u); begin < settings.tokens; begin += ${columns}u) {
${loadTile(tiles, "q", "begin")}
workgroupBarrier();
${products(tiles, "ownK", "s")}
${loadTile(tiles, "dy", "begin")}
workgroupBarrier();
${products(tiles, "ownV", "t")}
${
      times(columns / tiles.lanes, (i) =>
        `{
let row = begin + ${streamed(tiles, i)};
${rowStats(tiles, "row", "row")}
var rowDot = Score(0.0);
if (row < settings.tokens) {
${times(maps, (m) => `${partOf(tiles, "rowDot", m)} = dots[mapRows + ${m}u * settings.tokens + row];`)}
}
${
          eachRow(tiles, (k) =>
            `{
let seen = row < settings.tokens && (settings.causal == 0u || first + row${k} <= row);
let p = select(Score(0.0), expOf(s${k}_${i} - rowMost) * rowInverse, seen);
let dS = p * (${overMaps(tiles, `t${k}_${i}`)} - rowDot) * ${signOf(tiles, "lambda")};
weights[row${k} * ${columns}u + ${streamed(tiles, i)}] = ${
              maps === 1 ? "Weights(p, dS)" : "Weights(p.x - lambda * p.y, dS, 0.0)"
            };
}`)
        }
}`)
    }
workgroupBarrier();
${accumulate("dv", () => 0)}
${loadTile(tiles, "q", "begin")}
workgroupBarrier();
${accumulate("dk", (m) => 1 + m)}
}
${
      eachRow(tiles, (k) =>
        `if (first + row${k} < settings.tokens) {
${
          eachColumn(tiles, (m, i) =>
            `${store(tiles, "dk", k, m, i, `dk${k}_${m}_${i}`)}
${store(tiles, "dv", k, m, i, `dv${k}_${m}_${i}`)}`)
        }
}`)
    }`
  }
}

/** dy, q, k, v, stats, dots -> dk, dv: the shader of that name, which is the same for one map and for two. */
export const keyGradientCodeOf = (
  name: string
): (tiles: Tiles) => Shader<
  "dy" | "q" | "k" | "v" | "stats" | "dots" | "dk" | "dv",
  keyof typeof attentionUniforms
> =>
  shaderOf(name, (tiles: Tiles) => ({
    bindings: {
      dy: { access: "read", element: elementOf(tiles) },
      q: { access: "read", element: elementOf(tiles) },
      k: { access: "read", element: elementOf(tiles) },
      v: { access: "read", element: elementOf(tiles) },
      stats: { access: "read", element: "f32" },
      dots: { access: "read", element: "f32" },
      dk: { access: "write", element: elementOf(tiles) },
      dv: { access: "write", element: elementOf(tiles) }
    },
    uniforms: attentionUniforms,
    workgroup: workgroupOf(tiles),
    ...keyGradientText(tiles)
  }))
