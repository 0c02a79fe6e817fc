/** `netyard status`: what a person wants to see of a running yard, from the same queries a program would use. */
import { QmpError } from '../node/qmp.ts';
import { table } from './table.ts';
import { connectTo } from './target.ts';

/** The whole report as text. */
export async function statusText(target?: string): Promise<string> {
  await using session = await connectTo(target);
  try {
    const [name, clients, leases, forwards, bridge] = [
      await session.execute('query-name'),
      await session.execute('query-net-clients'),
      await session.execute('query-net-leases'),
      await session.execute('query-net-forwards'),
      await session.execute('query-net-switch'),
    ];
    const addresses = new Map<string, string[]>();
    for (const entry of bridge.addresses) {
      addresses.set(entry.port, [...(addresses.get(entry.port) ?? []), entry.mac]);
    }
    const leased = new Map(leases.map((lease) => [lease.mac, lease.address]));
    const ports = clients.map((client) => {
      const macs = addresses.get(client.name) ?? [];
      return [
        client.name,
        client.type,
        linkWord(client),
        client.peer ?? '-',
        macs.join(' ') || '-',
        macs.flatMap((mac) => leased.get(mac) ?? []).join(' ') || '-',
        `${client['received-frames']}/${bytes(client['received-bytes'])}`,
        `${client['sent-frames']}/${bytes(client['sent-bytes'])}`,
        client.dropped.map(({ reason, count }) => `${count} ${reason}`).join(', ') || '0',
        client.info,
      ];
    });
    const lines = [
      `yard ${name.name ?? '(unnamed)'}`,
      '',
      ...table(['PORT', 'TYPE', 'LINK', 'PEER', 'MAC', 'LEASE', 'TO PORT', 'FROM PORT', 'DROPPED', 'INFO'], ports),
      '',
      ...section(
        'leases',
        table(
          ['NETDEV', 'MAC', 'ADDRESS', 'HOSTNAME', 'EXPIRES IN'],
          leases.map((lease) => [
            lease.id,
            lease.mac,
            lease.address,
            lease.hostname ?? '-',
            duration(lease['expires-in']),
          ]),
        ),
        leases.length,
      ),
      ...section(
        'forwards',
        table(
          ['NETDEV', 'PROTOCOL', 'HOST', 'GUEST'],
          forwards.map((forward) => [
            forward.id,
            forward.protocol,
            `${forward['host-address']}:${forward['host-port']}`,
            `${forward['guest-address']}:${forward['guest-port']}`,
          ]),
        ),
        forwards.length,
      ),
    ];
    return `${lines.join('\n').trimEnd()}\n`;
  } catch (error) {
    if (error instanceof QmpError && error.class === 'CommandNotFound') {
      throw new QmpError(
        error.class,
        `${error.message}: this monitor is not netyard's; use 'netyard qmp' for other programs`,
      );
    }
    throw error;
  }
}

function section(title: string, lines: string[], count: number): string[] {
  return count === 0 ? [`no ${title}`, ''] : [title, ...lines.map((line) => `  ${line}`), ''];
}

function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)}${units[unit]}`;
}

/** A listener is a source of ports, not one itself. */
function linkWord(client: { type: string; link: boolean; 'admin-link': boolean }): string {
  if (client.type === 'listener') return '-';
  return client.link ? 'up' : client['admin-link'] ? 'no carrier' : 'off';
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
