import { testActivation } from "./activation.ts"

testActivation("gelu")
