/** Options that are understood and refused rather than ignored, by type of netdev: for the drivers and the documentation. */

/** Not in this version, whatever the value. */
export const REFUSED_USER_OPTIONS = [
  'ipv6-prefix',
  'ipv6-prefixlen',
  'ipv6-host',
  'ipv6-dns',
  'guestfwd',
  'tftp',
  'smb',
  'smbserver',
] as const;

const VHOST = 'refused: vhost-net works on the memory of a guest';

/** What the table of a netdev's options says beside an option. */
export const REFUSALS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  user: {
    ...Object.fromEntries(REFUSED_USER_OPTIONS.map((name) => [name, 'refused in this version'])),
    ipv4: '`off` is refused in this version',
    ipv6: '`on` is refused in this version',
  },
  tap: {
    vhost: `\`on\` is ${VHOST}`,
    vhostforce: `\`on\` is ${VHOST}`,
    vhostfd: VHOST,
    vhostfds: VHOST,
  },
};
