export type { Cursor, Dataset, EpochPlan, LabelledDataset } from "./dataset.ts"
export type { TaggedErrorClass } from "./errors.ts"
export type { CachedEmbeddings, DatasetFor, EmbeddingMatrix, Encoders, Evaluation, Evaluator } from "./evaluation.ts"
export type {
  AnyModel,
  DualEncoder,
  Embeddings,
  ImageInput,
  ImageTextBatch,
  Model,
  ParamsOfModel,
  TextInput,
  Trained,
  Transform
} from "./model.ts"
export type { ImageLabel, ImageText, RgbImage } from "./sample.ts"
export type { GradientTransform, Loss, Optimizer, Schedule } from "./training.ts"
