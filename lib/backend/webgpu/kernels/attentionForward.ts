import {
  eachColumn,
  eachRow,
  eachScore,
  loadOwn,
  loadTile,
  LOWEST,
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
import { rowOf, type Tiles } from "./attentionTiles.ts"

/**
 * Attention of a tile of rows, keys streamed, with one online softmax a map: running maximum `most`, sum `sum` of own
 * keys, sums of weighted values. Buffers q, k, v, out, stats, and lambda where there are 2 maps.
 */
export const forwardText = (tiles: Tiles): Text => {
  const { maps, rows, columns, lanes } = tiles
  const { length, stride } = rowOf(tiles)
  const sums = (line: (map: number, m: number, i: number) => string): string =>
    times(maps, (map) => eachColumn(tiles, (m, i) => line(map, m, i)))
  const result = (k: number, m: number, i: number): string => {
    const [first, second] = [0, 1].map((map) => `a${k}_${map}_${m}_${i} * ${partOf(tiles, `inverse${k}`, map)}`)
    return maps === 1 ? `${first}` : `${first} - lambda[0] * (${second})`
  }
  return {
    declarations: `${scoreType(tiles)}
var<workgroup> ownQ: array<vec4<f32>, ${rows * length}>;
var<workgroup> tile: array<vec4<f32>, ${columns * stride}>;
var<workgroup> weights: array<Score, ${rows * columns}>;
var<workgroup> shares: array<Score, ${rows * lanes}>;`,
    body: `${prologue(tiles)}
${loadOwn(tiles, "q", "ownQ")}
${
      eachRow(tiles, (k) =>
        `var most${k} = ${LOWEST};
var sum${k} = Score(0.0);
${sums((map, m, i) => `var a${k}_${map}_${m}_${i} = vec4<f32>(0.0);`)}`)
    }
let end = select(settings.tokens, min(settings.tokens, first + ${rows}u), settings.causal != 0u);
for (var key0 = 0u; key0 < end; key0 += ${columns}u) {
${loadTile(tiles, "k", "key0")}
workgroupBarrier();
${products(tiles, "ownQ", "s")}
${
      eachScore(tiles, (k, i) =>
        `let key${k}_${i} = key0 + ${streamed(tiles, i)};
let seen${k}_${i} = key${k}_${i} < settings.tokens && (settings.causal == 0u || key${k}_${i} <= first + row${k});
s${k}_${i} = select(${LOWEST}, s${k}_${i}, seen${k}_${i});`)
    }
${
      eachRow(tiles, (k) =>
        `var top${k} = s${k}_0;
${times(columns / lanes - 1, (i) => `top${k} = max(top${k}, s${k}_${i + 1});`)}
shares[row${k} * ${lanes}u + g] = top${k};`)
    }
${loadTile(tiles, "v", "key0")}
${
      eachRow(tiles, (k) =>
        `top${k} = most${k};
for (var t = 0u; t < ${lanes}u; t++) { top${k} = max(top${k}, shares[row${k} * ${lanes}u + t]); }
let fade${k} = exp(most${k} - top${k});
most${k} = top${k};
sum${k} *= fade${k};
${sums((map, m, i) => `a${k}_${map}_${m}_${i} *= ${partOf(tiles, `fade${k}`, map)};`)}`)
    }
${
      eachScore(tiles, (k, i) =>
        `let p${k}_${i} = select(Score(0.0), expOf(s${k}_${i} - most${k}), seen${k}_${i});
sum${k} += p${k}_${i};
weights[row${k} * ${columns}u + ${streamed(tiles, i)}] = p${k}_${i};`)
    }
workgroupBarrier();
for (var c = 0u; c < ${columns}u; c++) {
${eachRow(tiles, (k) => `let w${k} = weights[row${k} * ${columns}u + c];`)}
${
      eachColumn(tiles, (m, i) =>
        `{
let x = ${tileAt(tiles, m, i)};
${eachRow(tiles, (k) => times(maps, (map) => `a${k}_${map}_${m}_${i} += ${partOf(tiles, `w${k}`, map)} * x;`))}
}`)
    }
}
}
${eachRow(tiles, (k) => `shares[row${k} * ${lanes}u + g] = sum${k};`)}
workgroupBarrier();
${
      eachRow(tiles, (k) =>
        `var total${k} = Score(0.0);
for (var t = 0u; t < ${lanes}u; t++) { total${k} += shares[row${k} * ${lanes}u + t]; }
let inverse${k} = 1.0 / total${k};
if (first + row${k} < settings.tokens) {
${eachColumn(tiles, (m, i) => store(tiles, "out", k, m, i, result(k, m, i)))}
if (g == 0u) {
let largest = select(total${k}, most${k}, total${k} > Score(0.0)); // NaN where the sum is
${
          times(maps, (map) =>
            `{
let at = 2u * (mapRows + ${map}u * settings.tokens + first + row${k});
stats[at] = ${partOf(tiles, "largest", map)};
stats[at + 1u] = ${partOf(tiles, `inverse${k}`, map)};
}`)
        }
}
}`)
    }`
  }
}
