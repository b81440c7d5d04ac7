import { type Shader, shaderOf } from "../shader.ts"
import { EDGE, THREADS } from "./contrastiveTile.ts"

const FOUR = [0, 1, 2, 3]
const COMPONENTS = ["x", "y", "z", "w"]

/** Four numbers of a row of x, zeros outside, and a row's four numbers of dx set or added. */
const accessText = (isVector: boolean): string =>
  isVector ?
    `fn xAt(k: u32, four: u32) -> vec4<f32> {
  if (k < settings.length && 4u * four < settings.e) {
    return x[(settings.xRow + k) * (settings.e / 4u) + four];
  }
  return vec4<f32>(0.0);
}
fn give(row: u32, four: u32, value: vec4<f32>) {
  if (row >= settings.rows || 4u * four >= settings.e) { return; }
  let at = (settings.dxRow + row) * (settings.e / 4u) + four;
  if (settings.isFirst == 1u) { dx[at] = value; } else { dx[at] += value; }
}` :
    `fn xAt(k: u32, four: u32) -> vec4<f32> {
  var found = vec4<f32>(0.0);
  for (var c = 0u; c < 4u; c++) {
    let column = 4u * four + c;
    if (k < settings.length && column < settings.e) { found[c] = x[(settings.xRow + k) * settings.e + column]; }
  }
  return found;
}
fn give(row: u32, four: u32, value: vec4<f32>) {
  for (var c = 0u; c < 4u; c++) {
    let column = 4u * four + c;
    if (row < settings.rows && column < settings.e) {
      let at = (settings.dxRow + row) * settings.e + column;
      if (settings.isFirst == 1u) { dx[at] = value[c]; } else { dx[at] += value[c]; }
    }
  }
}`

/**
 * weights [length, rows], lines padded to whole vectors, x [.., e] from row `xRow` on -> rows `dxRow` on of dx [.., e]:
 * scale dy rate weights^T x, set or added. A workgroup makes 64 x 64 numbers, a thread 4 x 4 of them in registers.
 */
export const productCode: (
  params: { readonly isVector: boolean }
) => Shader<"weights" | "x" | "scale" | "dy" | "dx", "length" | "xRow" | "rows" | "dxRow" | "e" | "isFirst" | "rate"> =
  shaderOf("contrastiveProduct", ({ isVector }) => ({
    bindings: {
      weights: { access: "read", element: "vec4<f32>" },
      x: { access: "read", element: isVector ? "vec4<f32>" : "f32" },
      scale: { access: "read", element: "f32" },
      dy: { access: "read", element: "f32" },
      dx: { access: "update", element: isVector ? "vec4<f32>" : "f32" }
    },
    uniforms: { length: "u32", xRow: "u32", rows: "u32", dxRow: "u32", e: "u32", isFirst: "u32", rate: "f32" },
    workgroup: [THREADS, 1],
    declarations: `
var<workgroup> pool: array<vec4<f32>, 512>;
${accessText(isVector)}
fn weightsAt(k: u32, four: u32) -> vec4<f32> {
  let line = (settings.rows + 3u) / 4u;
  if (k < settings.length && four < line) { return weights[k * line + four]; }
  return vec4<f32>(0.0);
}`,
    body: `
let tx = lane % 16u;
let ty = lane / 16u;
let row4 = ${EDGE / 4}u * group.y;
let column4 = ${EDGE / 4}u * group.x;
${FOUR.map((i) => `var s${i} = vec4<f32>(0.0);`).join(" ")}
for (var k0 = 0u; k0 < settings.length; k0 += 16u) {
  workgroupBarrier();
  pool[lane] = weightsAt(k0 + ty, row4 + tx);
  pool[256u + lane] = xAt(k0 + ty, column4 + tx);
  workgroupBarrier();
  for (var k = 0u; k < 16u; k++) {
    let a = pool[16u * k + ty];
    let b = pool[256u + 16u * k + tx];
    ${COMPONENTS.map((c, i) => `s${i} += a.${c} * b;`).join(" ")}
  }
}
let factor = scale[0] * dy[0] * settings.rate;
${FOUR.map((i) => `give(4u * (row4 + ty) + ${i}u, column4 + tx, s${i} * factor);`).join("\n")}`
  }))
