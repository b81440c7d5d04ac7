import { type Shader, shaderOf } from "../shader.ts"

/**
 * indices [n] -> them sorted, and where each of these stood: equal ones in the order in which they come. Every thread
 * counts how many indices go before its own, so that no two write to one place.
 */
export const orderCode: (
  params: { readonly width: number; readonly ids: "i32" | "f32" }
) => Shader<"indices" | "sorted" | "order", "n"> = shaderOf("rowOrder", ({ width, ids }) => ({
  bindings: {
    indices: { access: "read", element: ids },
    sorted: { access: "write", element: "i32" },
    order: { access: "write", element: "u32" }
  },
  uniforms: { n: "u32" },
  workgroup: [width, 1],
  declarations: `var<workgroup> tile: array<i32, ${width}>;`,
  body: `
let i = (group.y * groups.x + group.x) * ${width}u + lane;
var own = 0;
if (i < settings.n) { own = i32(indices[i]); }
var rank = 0u;
for (var start = 0u; start < settings.n; start += ${width}u) {
  workgroupBarrier();
  if (start + lane < settings.n) { tile[lane] = i32(indices[start + lane]); }
  workgroupBarrier();
  let most = min(${width}u, settings.n - start);
  for (var j = 0u; j < most; j++) {
    let other = tile[j];
    rank += select(0u, 1u, other < own || (other == own && start + j < i));
  }
}
if (i < settings.n) {
  sorted[rank] = own;
  order[rank] = i;
}`
}))
