import { testActivation } from "./activation.ts"

testActivation("quickGelu")
