/**
 * What is on its way to a device: one command buffer, what is uploaded between its commands, and what is to be read back once it ran. A run that is
 * waited for is a submission of its own. Runs that are merely started gather in one: their uploads go into an arena from which the command
 * buffer copies each to its place, since writes of the queue would all come before it. Values, and so results, are the same either way.
 */
import { InternalError } from "../../graph/errors.js";
import type { HostTensor, TypedArray } from "../engine.js";
import { mapRead, usage, type Device } from "./device.js";
import { hostTensor, type Region } from "./store.js";

/** Bytes of uploads that one submission takes along; one that is larger is a submission's first. */
const UPLOADS = 2 ** 22;
/** Bytes that started runs of one submission read back. */
const READS = 2 ** 14;

export type Wanted = Region & Pick<HostTensor, "dtype" | "shape">;

interface Reader {
  readonly at: number;
  readonly regions: readonly Wanted[];
  readonly resolve: (tensors: HostTensor[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Staging {
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  readonly kept: boolean;
  used: number;
  readers: Reader[];
}

export class Commands {
  private encoder: GPUCommandEncoder | undefined;
  private pass: GPUComputePassEncoder | undefined;
  private deferred = false;
  private arena: GPUBuffer | undefined;
  private shadow: Uint8Array | undefined;
  private uploaded = 0;
  private staging: Staging | undefined;
  private idle: GPUBuffer[] = [];
  private disposed = false;

  constructor(private readonly device: Device) {}

  /** Whether what is recorded from now on may wait for other runs. */
  begin(deferred: boolean): void {
    if (!deferred) this.submit();
    this.deferred = deferred;
  }

  computePass(): GPUComputePassEncoder {
    this.pass ??= this.commands().beginComputePass();
    return this.pass;
  }

  betweenPasses(): GPUCommandEncoder {
    this.pass?.end();
    this.pass = undefined;
    return this.commands();
  }

  private commands(): GPUCommandEncoder {
    this.encoder ??= this.device.gpu.createCommandEncoder();
    return this.encoder;
  }

  /** Writes data after all that is recorded. */
  upload({ buffer, offset }: Region, data: TypedArray): void {
    if (data.length === 0) return;
    const words = data instanceof Uint8Array ? Uint32Array.from(data) : data;
    const bytes = words.byteLength;
    if (this.encoder !== undefined && (!this.deferred || this.uploaded + bytes > UPLOADS)) this.submit();
    if (this.encoder === undefined) {
      this.device.gpu.queue.writeBuffer(buffer, offset, words.buffer as ArrayBuffer, words.byteOffset, bytes);
      return;
    }
    this.arena ??= this.device.gpu.createBuffer({ size: UPLOADS, usage: usage.copySource | usage.copyTarget });
    this.shadow ??= new Uint8Array(UPLOADS);
    this.shadow.set(new Uint8Array(words.buffer, words.byteOffset, bytes), this.uploaded);
    this.betweenPasses().copyBufferToBuffer(this.arena, this.uploaded, buffer, offset, bytes);
    this.uploaded += bytes;
  }

  /** Copies of regions as they are after what is recorded; they come once it is submitted. */
  read(regions: readonly Wanted[]): Promise<HostTensor[]> {
    const bytes = regions.reduce((sum, region) => sum + region.bytes, 0);
    if (bytes === 0) return Promise.resolve([]);
    if (this.staging !== undefined && this.staging.used + bytes > this.staging.bytes) this.submit();
    const staging = (this.staging ??= this.stagingFor(bytes));
    const at = staging.used;
    for (const region of regions) {
      this.betweenPasses().copyBufferToBuffer(region.buffer, region.offset, staging.buffer, staging.used, region.bytes);
      staging.used += region.bytes;
    }
    return new Promise<HostTensor[]>((resolve, reject) => staging.readers.push({ at, regions, resolve, reject }));
  }

  private stagingFor(bytes: number): Staging {
    const kept = this.deferred && bytes <= READS;
    const size = kept ? READS : bytes;
    const buffer = (kept ? this.idle.pop() : undefined) ?? this.device.gpu.createBuffer({ size, usage: usage.mapRead | usage.copyTarget });
    return { buffer, bytes: size, kept, used: 0, readers: [] };
  }

  /** Sends what is recorded. */
  submit(): void {
    if (this.encoder === undefined) return;
    const { queue } = this.device.gpu;
    if (this.uploaded > 0) queue.writeBuffer(this.arena!, 0, this.shadow!.buffer as ArrayBuffer, 0, this.uploaded);
    queue.submit([this.betweenPasses().finish()]);
    const { staging } = this;
    this.encoder = undefined;
    this.uploaded = 0;
    this.staging = undefined;
    if (staging !== undefined) void this.deliver(staging);
  }

  private async deliver(staging: Staging): Promise<void> {
    const { buffer, readers, used, kept } = staging;
    try {
      await buffer.mapAsync(mapRead, 0, used).catch((error: unknown) => {
        this.device.check();
        throw new InternalError(`WebGPU: ${String(error)}`);
      });
      const all = buffer.getMappedRange(0, used).slice(0);
      buffer.unmap();
      if (kept && !this.disposed) this.idle.push(buffer);
      else buffer.destroy();
      this.device.check();
      for (const { at, regions, resolve } of readers) {
        let from = at;
        resolve(
          regions.map(({ dtype, shape, bytes }) => {
            from += bytes;
            return hostTensor(dtype, shape, all.slice(from - bytes, from));
          }),
        );
      }
    } catch (error) {
      for (const { reject } of readers) reject(error);
    }
  }

  dispose(): void {
    this.submit();
    this.disposed = true;
    this.arena?.destroy();
    this.arena = undefined;
    for (const buffer of this.idle.splice(0)) buffer.destroy();
  }
}
