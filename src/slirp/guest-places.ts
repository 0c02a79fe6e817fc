/**
 * How many places of a small table each guest has. When the table is full, whoever has most gives one up, so that a
 * guest's flood costs its own entries and not those of others.
 */
import { sameAddress } from './flow-table.ts';
import type { IpAddress } from './ip-layer.ts';

interface Holder {
  readonly guest: IpAddress;
  places: number;
}

export class GuestPlaces {
  /** Guests with at least one place, mostly very few. */
  readonly #holders: Holder[] = [];

  /** @param guest is kept. */
  take(guest: IpAddress): void {
    const holder = this.#find(guest);
    if (holder === undefined) this.#holders.push({ guest, places: 1 });
    else holder.places++;
  }

  give(guest: IpAddress): void {
    const holder = this.#find(guest);
    if (holder !== undefined && --holder.places === 0) this.#holders.splice(this.#holders.indexOf(holder), 1);
  }

  /** Who gives up a place for `guest`: whoever has most. Among equals it is the guest itself, if it has any. */
  loser(guest: IpAddress): IpAddress {
    let most = this.#find(guest);
    for (const holder of this.#holders) if (holder.places > (most?.places ?? 0)) most = holder;
    return most?.guest ?? guest;
  }

  #find(guest: IpAddress): Holder | undefined {
    for (const holder of this.#holders) if (sameAddress(holder.guest, guest)) return holder;
    return undefined;
  }
}
