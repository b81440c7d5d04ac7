/** What a file of a golden directory is about; `none` is a family that this version does not check. */
export type Check =
  | "attention"
  | "tinyModel"
  | "training"
  | "schedule"
  | "metrics"
  | "contrastiveWorld"
  | "preprocess"
  | "tokenizer"
  | "checkpoint"
  | "none"

/** A family of golden files: its files by name, and what they are checked by. */
export interface Family {
  /** As it is listed when the directory has no file of it. */
  readonly label: string
  readonly pattern: RegExp
  readonly check: Check
  /** Files and folders that belong to the family's file and are no golden files of their own. */
  readonly companions?: RegExp
}

/** The families of GOLDENS 2. Which files there are, and what is in them, the directory says. */
export const families: ReadonlyArray<Family> = [
  { label: "attention.safetensors", pattern: /^attention.*\.safetensors$/, check: "attention" },
  { label: "tiny_*.safetensors", pattern: /^tiny_.*\.safetensors$/, check: "tinyModel" },
  { label: "training*.safetensors", pattern: /^training.*\.safetensors$/, check: "training" },
  { label: "schedule.json", pattern: /^schedule.*\.json$/, check: "schedule" },
  { label: "metrics.safetensors", pattern: /^metrics.*\.safetensors$/, check: "metrics" },
  { label: "contrastive_world.safetensors", pattern: /^contrastive_world.*\.safetensors$/, check: "contrastiveWorld" },
  {
    label: "preprocess.safetensors",
    pattern: /^preprocess.*\.safetensors$/,
    check: "preprocess",
    companions: /^preprocess$/
  },
  { label: "tokenizer.json", pattern: /^tokenizer.*\.json$/, check: "tokenizer" },
  { label: "checkpoint_*", pattern: /^checkpoint_.*\.(pt|safetensors)$/, check: "checkpoint" },
  { label: "probe.safetensors", pattern: /^probe.*\.safetensors$/, check: "none" },
  { label: "llava*.safetensors", pattern: /^llava.*\.safetensors$/, check: "none" },
  {
    label: "qwen*",
    pattern: /^qwen.*\.(safetensors|json)$/,
    check: "none",
    companions: /^qwen_tokenizer.*(?<!\.json)$/
  },
  { label: "pope.json", pattern: /^pope.*\.json$/, check: "none" }
]

/** The family of a file of the directory, or undefined where no family has such a name. */
export const familyOf = (name: string): Family | undefined => families.find(({ pattern }) => pattern.test(name))

/** Whether an entry of the directory belongs to another file's family. */
export const isCompanion = (name: string): boolean =>
  families.some(({ companions }) => companions !== undefined && companions.test(name))
