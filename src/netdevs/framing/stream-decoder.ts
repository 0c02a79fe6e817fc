/**
 * Frames out of a byte stream (QEMU net/stream_data.c's format): a u32 big-endian length, then that many bytes of Ethernet
 * frame, and so on, without padding.
 *
 * A pure push decoder: bytes in, frames out, cut anywhere. A frame that lies whole in the bytes pushed is handed on in
 * place; only one that is cut is put together in memory of the decoder. A length of 0 is skipped and counted (it makes
 * QEMU deaf for ever); one above MAX_FRAME_LENGTH ends the stream as soon as its header is seen, because nothing after
 * it can be trusted.
 */
import { MAX_FRAME_LENGTH } from '../../net/index.ts';

export const LENGTH_BYTES = 4;
/** First size of the memory for a frame that is cut; it grows to what the frame needs. */
const MIN_PARTIAL_BYTES = 2048;

export interface FrameSink {
  /** A whole frame, borrowed for the call. Returns whether more may follow now. */
  frame(bytes: Uint8Array, offset: number, length: number): boolean;
}

export class StreamDecoder {
  /** Zero-length frames skipped. */
  zeroLength = 0;
  /** The length that ended the stream, or 0. */
  oversized = 0;
  #header = 0;
  #headerBytes = 0;
  /** Bytes of a cut frame still to come; 0 = between frames or inside a header. */
  #missing = 0;
  #partial = new Uint8Array(0);
  #partialBytes = 0;

  /** Inside a header or a frame. */
  get isMidFrame(): boolean {
    return this.#headerBytes > 0 || this.#missing > 0;
  }

  /** Forgets what is half here: the next byte starts a header. */
  reset(): void {
    this.#header = this.#headerBytes = 0;
    this.#missing = this.#partialBytes = 0;
    this.#partial = new Uint8Array(0);
    this.oversized = 0;
  }

  /**
   * Decodes until the bytes end, the sink has enough, or the stream is broken (`oversized` is set).
   * @returns the count of bytes used up.
   */
  push(bytes: Uint8Array, offset: number, length: number, sink: FrameSink): number {
    const end = offset + length;
    let at = offset;
    while (at < end && this.oversized === 0) {
      if (this.#missing > 0) {
        const count = Math.min(this.#missing, end - at);
        this.#partial.set(bytes.subarray(at, at + count), this.#partialBytes);
        this.#partialBytes += count;
        this.#missing -= count;
        at += count;
        if (this.#missing > 0) break;
        const whole = this.#partialBytes;
        this.#partialBytes = 0;
        if (!sink.frame(this.#partial, 0, whole)) break;
        continue;
      }
      let frameLength: number;
      if (this.#headerBytes === 0 && end - at >= LENGTH_BYTES) {
        frameLength = readLength(bytes, at);
        at += LENGTH_BYTES;
      } else {
        this.#header = this.#header * 256 + (bytes[at] as number);
        this.#headerBytes++;
        at++;
        if (this.#headerBytes < LENGTH_BYTES) continue;
        frameLength = this.#header;
        this.#header = this.#headerBytes = 0;
      }
      if (frameLength === 0) {
        this.zeroLength++;
      } else if (frameLength > MAX_FRAME_LENGTH) {
        this.oversized = frameLength;
      } else if (frameLength <= end - at) {
        at += frameLength;
        if (!sink.frame(bytes, at - frameLength, frameLength)) break;
      } else {
        this.#missing = frameLength;
        this.#reserve(frameLength);
      }
    }
    return at - offset;
  }

  #reserve(length: number): void {
    if (this.#partial.length >= length) return;
    let size = MIN_PARTIAL_BYTES;
    while (size < length) size *= 2;
    this.#partial = new Uint8Array(Math.min(size, MAX_FRAME_LENGTH));
  }
}

function readLength(b: Uint8Array, o: number): number {
  return (
    (b[o] as number) * 0x1000000 + (((b[o + 1] as number) << 16) | ((b[o + 2] as number) << 8) | (b[o + 3] as number))
  );
}
