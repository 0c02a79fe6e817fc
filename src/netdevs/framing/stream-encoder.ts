/**
 * Frames into a byte stream: u32 big-endian length, then the frame. What the socket has room for goes straight to it (the
 * host gathers the writes of a batch); a frame that is cut by the socket's end of room is finished from memory of the
 * encoder before anything else, and meanwhile nothing more is taken.
 */

import type { StreamSocket } from '../../net/index.ts';
import { MAX_FRAME_LENGTH } from '../../net/index.ts';
import { LENGTH_BYTES } from './stream-decoder.ts';

export class StreamEncoder {
  readonly #header = new Uint8Array(LENGTH_BYTES);
  #rest = new Uint8Array(0);
  #restStart = 0;
  #restEnd = 0;

  /** A frame is half out: nothing is taken until `flush` has finished it. */
  get isBlocked(): boolean {
    return this.#restEnd > this.#restStart;
  }

  /** Forgets a frame that is half out: its connection is gone, and the next one starts with a header. */
  reset(): void {
    this.#restStart = this.#restEnd = 0;
  }

  /**
   * Takes a borrowed frame of 1 to MAX_FRAME_LENGTH bytes.
   * @returns false = not taken; try again after `flush` returned true.
   */
  write(socket: StreamSocket, bytes: Uint8Array, offset: number, length: number): boolean {
    if (this.isBlocked) return false;
    const header = this.#header;
    header[0] = length >>> 24;
    header[1] = length >>> 16;
    header[2] = length >>> 8;
    header[3] = length;
    const taken = socket.write(header, 0, LENGTH_BYTES);
    if (taken <= 0) return false;
    if (taken < LENGTH_BYTES) {
      this.#keep(bytes, offset, length, LENGTH_BYTES - taken);
    } else {
      const count = Math.max(0, socket.write(bytes, offset, length));
      if (count < length) this.#keep(bytes, offset + count, length - count, 0);
    }
    return true;
  }

  /** Goes on with a frame that is half out. Returns whether it is out now. */
  flush(socket: StreamSocket): boolean {
    while (this.isBlocked) {
      const taken = socket.write(this.#rest, this.#restStart, this.#restEnd - this.#restStart);
      if (taken <= 0) return false;
      this.#restStart += taken;
    }
    return true;
  }

  /** Copies the rest of a frame, behind the last `headerBytes` of its header. */
  #keep(bytes: Uint8Array, offset: number, length: number, headerBytes: number): void {
    if (this.#rest.length < headerBytes + length) this.#rest = new Uint8Array(LENGTH_BYTES + MAX_FRAME_LENGTH);
    this.#rest.set(this.#header.subarray(LENGTH_BYTES - headerBytes));
    this.#rest.set(bytes.subarray(offset, offset + length), headerBytes);
    this.#restStart = 0;
    this.#restEnd = headerBytes + length;
  }
}
