/** The guests the port said BUSY for. Almost always empty, so a list. */
import { sameAddress } from './flow-table.ts';
import type { IpAddress } from './ip-layer.ts';

/** Beyond this many the oldest is forgotten: its flows only lose the hint, the port still refuses nothing. */
const CAP = 256;

export class BusyGuests {
  #guests: IpAddress[] = [];

  has(guest: IpAddress): boolean {
    for (const busy of this.#guests) if (sameAddress(busy, guest)) return true;
    return false;
  }

  add(guest: IpAddress): void {
    if (this.has(guest)) return;
    if (this.#guests.length >= CAP) this.#guests.shift();
    this.#guests.push(guest);
  }

  /** Empties the list and returns what was in it. */
  take(): readonly IpAddress[] {
    const guests = this.#guests;
    if (guests.length > 0) this.#guests = [];
    return guests;
  }
}
