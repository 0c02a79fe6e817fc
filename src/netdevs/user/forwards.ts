/** The host forwards of one user network: TCP and UDP in one list, as `info usernet` and hostfwd_remove see them. */
import type { Forward } from '../../net/client.ts';
import { HostError, type Log } from '../../net/host.ts';
import { QapiError } from '../../qapi/error.ts';
import { ipv4Address, type TcpStack, type UserStack } from '../../slirp/index.ts';
import { formatIpv4 } from '../../wire/index.ts';
import { whyRefused } from './forward-reasons.ts';
import { type HostForwardRule, parseForwardSpec } from './forward-rules.ts';

interface Entry {
  readonly forward: Forward;
  close(): Promise<unknown>;
}

export class HostForwards {
  readonly #stack: UserStack<TcpStack>;
  readonly #log: Log;
  readonly #id: string;
  readonly #entries: Entry[] = [];

  /** @param id the netdev's, for the log. */
  constructor(stack: UserStack<TcpStack>, log: Log, id: string) {
    this.#stack = stack;
    this.#log = log;
    this.#id = id;
  }

  list(): Forward[] {
    return this.#entries.map((entry) => entry.forward);
  }

  /** @throws QapiError when the host's port cannot be had. */
  async add(rule: HostForwardRule): Promise<Forward> {
    try {
      const entry = rule.protocol === 'tcp' ? await this.#addTcp(rule) : await this.#addUdp(rule);
      this.#entries.unshift(entry);
      return entry.forward;
    } catch (cause) {
      const text = `Could not set up host forwarding rule '${rule.rule}'`;
      if (!(cause instanceof HostError)) throw new QapiError(text, { cause });
      const reason = whyRefused(rule, cause);
      this.#log.warn(text, { netdev: this.#id, reason });
      throw new QapiError(text, { hint: reason, data: { errno: cause.code, reason }, cause });
    }
  }

  /** @throws QapiError `invalid format` */
  async remove(spec: string): Promise<boolean> {
    const { protocol, hostAddress, hostPort } = parseForwardSpec(spec);
    const index = this.#entries.findIndex(
      ({ forward }) =>
        forward.protocol === protocol && forward.hostAddress === hostAddress && forward.hostPort === hostPort,
    );
    const entry = this.#entries[index];
    if (entry === undefined) return false;
    this.#entries.splice(index, 1);
    await entry.close();
    return true;
  }

  async #addTcp(rule: HostForwardRule): Promise<Entry> {
    const { tcp } = this.#stack;
    const forward = await tcp.addForward({
      hostAddress: rule.hostAddress,
      hostPort: rule.hostPort,
      guestAddress: ipv4Address(rule.guestAddress),
      guestPort: rule.guestPort,
    });
    return { forward, close: () => tcp.removeForward(forward.hostAddress, forward.hostPort) };
  }

  async #addUdp(rule: HostForwardRule): Promise<Entry> {
    const bound = await this.#stack.udp.addForward(
      { family: 'ipv4', host: rule.hostAddress, port: rule.hostPort },
      ipv4Address(rule.guestAddress),
      rule.guestPort,
    );
    const forward: Forward = {
      protocol: 'udp',
      hostAddress: rule.hostAddress,
      hostPort: bound.hostPort,
      guestAddress: formatIpv4(rule.guestAddress),
      guestPort: rule.guestPort,
    };
    return { forward, close: () => bound.close() };
  }
}
