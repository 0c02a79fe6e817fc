/** The text of `info network` (QEMU net/net.c, net/hub.c). */
import type { Endpoint } from './endpoint.ts';
import type { Hub } from './hub.ts';

export interface InfoSource {
  readonly clients: readonly Endpoint[];
  /** Newest first. */
  readonly hubs: readonly Hub[];
  /** The last line of a NIC's deleted netdev; undefined as value: it was a hub port, and the NIC is not shown. */
  readonly ghosts: ReadonlyMap<Endpoint, string | undefined>;
}

/** `<name>: index=<n>,type=<driver>,<info>`. */
export function clientLine(endpoint: Endpoint): string {
  return `${endpoint.name}: index=${endpoint.queueIndex},type=${endpoint.driver},${endpoint.info()}`;
}

export function infoText(source: InfoSource): string {
  const lines: string[] = [];
  const isHubPort = new Set<Endpoint>();
  for (const hub of source.hubs) {
    lines.push(`hub ${hub.id}`);
    for (const endpoint of hub.ports()) {
      isHubPort.add(endpoint);
      const peer = endpoint.wired;
      lines.push(` \\ ${endpoint.name}${peer === undefined ? '' : `: ${clientLine(peer)}`}`);
    }
  }
  for (const client of source.clients) {
    const peer = client.wired;
    if (isHubPort.has(client) || (peer !== undefined && isHubPort.has(peer))) continue;
    const isOrphan = source.ghosts.has(client);
    const ghost = source.ghosts.get(client);
    if (isOrphan && ghost === undefined) continue;
    if (peer === undefined || client.isNic) lines.push(clientLine(client));
    if (client.isNic && peer !== undefined) lines.push(` \\ ${clientLine(peer)}`);
    else if (ghost !== undefined) lines.push(` \\ ${ghost}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}
