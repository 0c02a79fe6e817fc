/**
 * How many copies the floods of a switch may make. Every port has a purse; what time earns for the whole yard is dealt out
 * in equal parts to those that are not full. So a port that is quiet has enough for what it must ask everybody, and many
 * ports that flood share what the yard can bear, however many connections a program opens.
 */

/** Copies a second that one ingress may cause by floods to several ports, and how many at once. */
export const FLOOD_COPIES_PER_SECOND = 100_000;
export const FLOOD_BURST_COPIES = 20_000;
/** The same of all ports together. */
export const FLOOD_TOTAL_COPIES_PER_SECOND = 200_000;
export const FLOOD_TOTAL_BURST_COPIES = 100_000;
/** Floods that a purse has room for, however many ports there are. */
export const FLOOD_LEAST_FRAMES = 8;
/** Floods that a new port may cause when nothing is left: it asks for its address, and who has the gateway's. */
const FIRST_FRAMES = 2;

/** What one port may still cause. */
export class FloodPurse {
  copies = 0;
}

export class FloodBudget {
  readonly #purses: FloodPurse[] = [];
  #spare = FLOOD_TOTAL_BURST_COPIES;
  #dealtAt = -1;

  open(): FloodPurse {
    const purse = new FloodPurse();
    this.#purses.push(purse);
    const given = Math.min(this.#spare, this.#room);
    this.#spare -= given;
    purse.copies = Math.max(given, FIRST_FRAMES * this.#purses.length);
    return purse;
  }

  close(purse: FloodPurse): void {
    const index = this.#purses.indexOf(purse);
    if (index < 0) return;
    this.#purses.splice(index, 1);
    this.#spare = Math.min(FLOOD_TOTAL_BURST_COPIES, this.#spare + purse.copies);
  }

  /** Pays for a flood. @returns false when the purse has not so much. */
  take(purse: FloodPurse, copies: number, now: number): boolean {
    if (now > this.#dealtAt) this.#deal(now);
    if (purse.copies < copies) return false;
    purse.copies -= copies;
    return true;
  }

  /** What a purse holds at most. */
  get #room(): number {
    const ports = this.#purses.length;
    return Math.min(FLOOD_BURST_COPIES, Math.max(FLOOD_TOTAL_BURST_COPIES / ports, FLOOD_LEAST_FRAMES * ports));
  }

  #deal(now: number): void {
    const seconds = this.#dealtAt < 0 ? 0 : (now - this.#dealtAt) / 1000;
    this.#dealtAt = now;
    this.#spare += seconds * FLOOD_TOTAL_COPIES_PER_SECOND;
    const room = this.#room;
    let waiting = 0;
    for (const purse of this.#purses) {
      if (purse.copies < room) waiting++;
      // Of when there were fewer ports.
      else this.#spare += purse.copies - room;
      purse.copies = Math.min(purse.copies, room);
    }
    this.#spare = Math.min(FLOOD_TOTAL_BURST_COPIES, this.#spare);
    if (waiting === 0) return;
    const part = Math.min(this.#spare / waiting, seconds * FLOOD_COPIES_PER_SECOND);
    for (const purse of this.#purses) {
      if (purse.copies >= room) continue;
      const given = Math.min(part, room - purse.copies);
      purse.copies += given;
      this.#spare -= given;
    }
  }
}
