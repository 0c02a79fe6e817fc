/** Everything open of one host. What is in here for a port's guests counts as that port's share of the descriptors. */
import type { DescriptorBudget } from './descriptors.ts';
import type { Destroyable } from './destroyable.ts';

export class OpenSockets extends Set<Destroyable> {
  readonly #descriptors: DescriptorBudget;

  constructor(descriptors: DescriptorBudget) {
    super();
    this.#descriptors = descriptors;
  }

  override add(socket: Destroyable): this {
    if (socket.share !== undefined && !this.has(socket)) this.#descriptors.take(socket.share);
    return super.add(socket);
  }

  override delete(socket: Destroyable): boolean {
    const was = super.delete(socket);
    if (was && socket.share !== undefined) this.#descriptors.give(socket.share);
    return was;
  }
}
