/** Names and numbers of interfaces: the text of a link-local address has the name, its bytes the number. */
import { readdirSync, readFileSync } from 'node:fs';

const INTERFACES = '/sys/class/net';
/** Of our network namespace, which that of a mounted sysfs may not be: address, number in hex, ..., name. */
const INTERFACES_IPV6 = '/proc/net/if_inet6';

/** The number of an interface; undefined = there is none of that name. */
export function interfaceNumber(name: string): number | undefined {
  const known = ipv6Interfaces().find((other) => other.name === name);
  if (known !== undefined) return known.index;
  try {
    return Number(readFileSync(`${INTERFACES}/${name}/ifindex`, 'latin1'));
  } catch {
    return undefined;
  }
}

function ipv6Interfaces(): { index: number; name: string }[] {
  try {
    return parseInterfaces(readFileSync(INTERFACES_IPV6, 'latin1'));
  } catch {
    // A kernel without IPv6.
    return [];
  }
}

export function parseInterfaces(table: string): { index: number; name: string }[] {
  return table.split('\n').flatMap((line) => {
    const [, index, , , , name] = line.trim().split(/\s+/);
    return index === undefined || name === undefined ? [] : [{ index: Number.parseInt(index, 16), name }];
  });
}

/** `eth0` for an interface's number; the number itself where it has no name here. */
export function interfaceName(index: number): string {
  const known = ipv6Interfaces().find((other) => other.index === index);
  if (known !== undefined) return known.name;
  try {
    for (const name of readdirSync(INTERFACES)) {
      if (Number(readFileSync(`${INTERFACES}/${name}/ifindex`, 'latin1')) === index) return name;
    }
  } catch {
    // Without sysfs the number serves.
  }
  return String(index);
}
