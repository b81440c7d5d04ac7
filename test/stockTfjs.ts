/** Stock tfjs, with which kernels are compared: importing this registers its `cpu` backend, without its advertisement. */
import "@tensorflow/tfjs-backend-cpu"
import * as tf from "@tensorflow/tfjs-core"

const backend = tf.findBackend("cpu")
if ("firstUse" in backend) Object.assign(backend, { firstUse: false })
