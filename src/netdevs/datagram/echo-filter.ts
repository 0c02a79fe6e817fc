/**
 * Recognises our own multicast frames when the kernel hands them back: sender and other members of the group on one
 * machine share address and port, so the frame itself has to tell. Each frame sent is remembered once, by a hash of its
 * ends and length, and forgotten when its echo came, or after REMEMBERED further ones.
 */
const REMEMBERED = 256;
const HEAD_BYTES = 64;
const TAIL_BYTES = 16;

export class EchoFilter {
  readonly #hashes = new Int32Array(REMEMBERED);
  #next = 0;

  sent(bytes: Uint8Array, offset: number, length: number): void {
    this.#hashes[this.#next] = hash(bytes, offset, length);
    this.#next = (this.#next + 1) % REMEMBERED;
  }

  /** Whether this frame is one of ours coming back. */
  isEcho(bytes: Uint8Array, offset: number, length: number): boolean {
    const found = this.#hashes.indexOf(hash(bytes, offset, length));
    if (found < 0) return false;
    this.#hashes[found] = 0;
    return true;
  }
}

/** FNV-1a; never 0, which marks a free place. */
function hash(b: Uint8Array, offset: number, length: number): number {
  let h = 0x811c9dc5 ^ length;
  const end = offset + length;
  const headEnd = Math.min(end, offset + HEAD_BYTES);
  for (let i = offset; i < headEnd; i++) h = Math.imul(h ^ (b[i] as number), 0x01000193);
  for (let i = Math.max(headEnd, end - TAIL_BYTES); i < end; i++) h = Math.imul(h ^ (b[i] as number), 0x01000193);
  return h === 0 ? 1 : h;
}
