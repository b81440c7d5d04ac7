import { describe, expect, it } from "vitest"
import { BackendError, DeviceLost } from "../../../lib/backend/errors.ts"
import { listen } from "../../../lib/backend/webgpu/faults.ts"

/** A device that records what is done with its error scopes, and reports what it is told to. */
const fakeDevice = () => {
  const scopes: Array<{ filter: string; error: { readonly message: string } | null }> = []
  const listeners: Array<(event: unknown) => void> = []
  let lose = (_info: { readonly reason: string; readonly message: string }): void => {}
  const lost = new Promise((resolve) => {
    lose = resolve
  })
  return {
    depth: () => scopes.length,
    fail: (filter: string, message: string) => {
      const scope = scopes.findLast((open) => open.filter === filter)
      if (scope === undefined) {
        for (const listener of listeners) listener({ error: { message }, preventDefault: () => {} })
      } else scope.error ??= { message }
    },
    lose: (reason: string, message = "") => lose({ reason, message }),
    device: {
      lost,
      addEventListener: (_type: string, listener: (event: unknown) => void) => void listeners.push(listener),
      pushErrorScope: (filter: string) => void scopes.push({ filter, error: null }),
      popErrorScope: () => Promise.resolve(scopes.pop()?.error ?? null)
    } as unknown as GPUDevice
  }
}

const open = (isClosed = false) => {
  const fake = fakeDevice()
  return { ...fake, faults: listen(fake.device, "diffclip-webgpu", "a card", () => isClosed) }
}

describe("faults", () => {
  it("work that the device accepts leaves no fault and no scope open", async () => {
    const { faults, depth } = open()
    const { value, settled } = faults.watch(() => depth())
    expect(value).toBe(3)
    expect(await settled).toBeUndefined()
    expect([depth(), faults.first()]).toEqual([0, undefined])
  })

  it.each(["validation", "out-of-memory", "internal"])(
    "an error of kind %s is a BackendError, and stays",
    async (kind) => {
      const { faults, fail } = open()
      const { settled } = faults.watch(() => fail(kind, "no such buffer"))
      expect(await settled).toBeInstanceOf(BackendError)
      expect((await faults.watch(() => 1).settled)?.message).toMatch(/a card.*no such buffer/)
    }
  )

  it("an error outside of all scopes counts, too", () => {
    const { faults, fail } = open()
    fail("validation", "late")
    expect(faults.first()?.message).toMatch(/late/)
  })

  it("work that throws closes its scopes", () => {
    const { faults, depth } = open()
    expect(() =>
      faults.watch(() => {
        throw new RangeError("shape")
      })
    ).toThrow("shape")
    expect(depth()).toBe(0)
  })

  it("a device that is lost says so, unless we closed it ourselves", async () => {
    const [abandoned, closed] = [open(), open(true)]
    for (const { lose } of [abandoned, closed]) lose("unknown", "the driver was reset")
    await Promise.resolve()
    expect(abandoned.faults.first()).toBeInstanceOf(DeviceLost)
    expect(abandoned.faults.first()?.message).toMatch(/unknown: the driver was reset.*Resume from the last checkpoint/)
    expect(closed.faults.first()).toBeUndefined()
  })
})
