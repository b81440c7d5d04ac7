export type TorchWork = Readonly<Record<string, unknown>>
