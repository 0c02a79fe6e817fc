/** netdev_add requests: every member of every driver with values of every JSON kind, and rule texts put together. */

/** JSON text of values that try each check of a visitor. */
const VALUES = [
  ...['0', '-1', '1', '65535', '65536', '2147483648', '4294967296', '9223372036854775808', '18446744073709551616'],
  ...['1.0', '1.5', '1e3', 'true', 'false', 'null', '""', '"x"', '"on"', '"10.0.2.2"', '"::1"', '"a:1"'],
  ...[
    '[]',
    '{}',
    '["x"]',
    '[{"str":"x"}]',
    '[{"str":1}]',
    '[{}]',
    '[{"str":"x","y":1}]',
    '{"type":"inet"}',
    '{"type":"x"}',
  ],
];

interface Target {
  readonly type: string;
  /** Members that make the request valid; JSON text by name. */
  readonly base: Readonly<Record<string, string>>;
  /** Members to vary. */
  readonly members: readonly string[];
}

/** Values that would bind, run or open something outside this test. */
const LEFT_OUT: Readonly<Record<string, readonly string[]>> = {
  'tap.helper': ['"x"', '""', '"on"', '"10.0.2.2"', '"::1"', '"a:1"'],
  'bridge.helper': ['"x"', '""', '"on"', '"10.0.2.2"', '"::1"', '"a:1"'],
};

const unixAddress = (folder: string): string => `{"type":"unix","path":"${folder}/peer"}`;
const INET = '{"type":"inet","host":"127.0.0.1","port":"0"}';

function targets(folder: string): Target[] {
  const user = [
    ...[
      'hostname',
      'restrict',
      'ipv4',
      'ipv6',
      'ip',
      'net',
      'host',
      'tftp',
      'bootfile',
      'dhcpstart',
      'dns',
      'dnssearch',
    ],
    ...[
      'domainname',
      'ipv6-prefix',
      'ipv6-prefixlen',
      'ipv6-host',
      'ipv6-dns',
      'smb',
      'smbserver',
      'hostfwd',
      'guestfwd',
    ],
    ...['tftp-server-name', 'bogus'],
  ];
  const inet = ['host', 'port', 'numeric', 'to', 'ipv4', 'ipv6', 'keep-alive', 'bogus'];
  return [
    { type: '"user"', base: {}, members: user },
    { type: '"hubport"', base: { hubid: '0' }, members: ['hubid', 'netdev', 'bogus'] },
    { type: '"socket"', base: { listen: '"127.0.0.1:0"' }, members: ['listen', 'localaddr', 'mcast', 'udp', 'bogus'] },
    { type: '"socket"', base: {}, members: ['listen', 'connect', 'mcast', 'udp'] },
    { type: '"socket"', base: { localaddr: '"127.0.0.1:0"' }, members: ['udp'] },
    { type: '"stream"', base: { addr: unixAddress(folder) }, members: ['addr', 'server', 'bogus', 'reconnect'] },
    { type: '"stream"', base: { addr: unixAddress(folder), server: 'true' }, members: ['reconnect', 'reconnect-ms'] },
    { type: '"dgram"', base: { local: INET, remote: INET }, members: ['local', 'remote', 'bogus'] },
    { type: '"dgram"', base: {}, members: ['local', 'remote'] },
    { type: '"tap"', base: { vhost: '5' }, members: ['ifname', 'sndbuf', 'queues', 'poll-us', 'vnet_hdr', 'bogus'] },
    {
      type: '"l2tpv3"',
      base: { src: '"192.0.2.99"', dst: '"127.0.0.1"' },
      members: ['txsession', 'rxcookie', 'offset', 'udp'],
    },
    { type: '"vde"', base: { group: '5' }, members: ['sock', 'port', 'mode', 'bogus'] },
    { type: '"bridge"', base: { br: '5' }, members: ['helper'] },
    { type: '"vhost-user"', base: { chardev: '5' }, members: ['vhostforce', 'queues'] },
    { type: '"nic"', base: {}, members: ['netdev', 'macaddr', 'vectors', 'bogus'] },
    { type: '"none"', base: {}, members: ['bogus'] },
    ...inet.map((member) => ({
      type: '"stream"',
      base: { server: 'true', addr: INET },
      members: [`addr.${member}`],
    })),
    ...['path', 'abstract', 'tight', 'bogus'].map((member) => ({
      type: '"stream"',
      base: { addr: unixAddress(folder) },
      members: [`addr.${member}`],
    })),
  ];
}

/** Every netdev_add request of this file as JSON text, without duplicates; each has an id of its own. */
export function netdevRequests(folder: string): string[] {
  const requests = new Set([
    ...memberRequests(folder),
    ...forwardRequests(),
    ...addressRequests(),
    ...hostPortRequests(),
    ...dgramRequests(folder),
    ...otherRequests(folder),
  ]);
  return [...requests].map((text, index) => text.replace('"id":"x"', `"id":"x${index}"`));
}

/**
 * What undoes a request; nothing for a stream: QEMU 7.2 crashes when one is deleted while it connects (QEMU net/stream.c).
 */
export function undo(request: string): string | undefined {
  if (request.includes('"type":"stream"')) return undefined;
  const id = /"id":("[^"]*")/.exec(request)?.[1];
  return id === undefined ? undefined : `{"execute":"netdev_del","arguments":{"id":${id}}}`;
}

function memberRequests(folder: string): string[] {
  const requests = new Set<string>();
  for (const target of targets(folder)) {
    requests.add(request(target.type, target.base));
    for (const member of target.members) {
      for (const value of VALUES) {
        if (LEFT_OUT[`${target.type.slice(1, -1)}.${member}`]?.includes(value)) continue;
        requests.add(request(target.type, withMember(target.base, member, value)));
      }
    }
  }
  for (const type of VALUES) requests.add(request(type, {}));
  for (const id of VALUES) requests.add(`{"execute":"netdev_add","arguments":{"type":"hubport","hubid":0,"id":${id}}}`);
  for (const args of VALUES) requests.add(`{"execute":"netdev_add","arguments":${args}}`);
  return [...requests];
}

function withMember(base: Target['base'], member: string, value: string): Record<string, string> {
  const [outer, inner] = member.split('.') as [string, string?];
  if (inner === undefined) return { ...base, [outer]: value };
  const object = JSON.parse(base[outer]!) as Record<string, unknown>;
  const members = Object.entries(object).filter(([name]) => name !== inner);
  const text = [...members.map(([name, old]) => `"${name}":${JSON.stringify(old)}`), `"${inner}":${value}`].join(',');
  return { ...base, [outer]: `{${text}}` };
}

function request(type: string, members: Readonly<Record<string, string>>): string {
  const text = Object.entries(members).map(([name, value]) => `,"${name}":${value}`);
  return `{"execute":"netdev_add","arguments":{"type":${type},"id":"x"${text.join('')}}}`;
}

/** `user` with one host forward: protocols, addresses and ports of every form, and broken separators. */
function forwardRequests(): string[] {
  const rules = new Set<string>();
  for (const protocol of ['tcp', 'udp', '', 'TCP', 'sctp', 'tcp ']) rules.add(`${protocol}:127.0.0.1:0-:22`);
  for (const host of ['', '127.0.0.1', '127.1', '0x7f000001', '::1', 'localhost', '300.0.0.1', ' 127.0.0.1']) {
    rules.add(`tcp:${host}:0-:22`);
  }
  for (const port of ['x', '-1', '65536', '0x0', '00', ' 0', '0 ', '1.5']) rules.add(`tcp:127.0.0.1:${port}-:22`);
  for (const guest of ['', '10.0.2.15', '10.0.2.200', '1.2.3.4', '10.2', 'guest', '300.1.1.1'])
    rules.add(`tcp:127.0.0.1:0-${guest}:22`);
  for (const port of ['', '0', '22', '65535', '65536', '0x16', '026', 'x', '-1', ' 22', '22 ', '22x']) {
    rules.add(`tcp:127.0.0.1:0-10.0.2.15:${port}`);
  }
  for (const rule of [
    '',
    ':',
    '::',
    ':::',
    'tcp',
    'tcp:',
    'tcp::',
    'tcp::0',
    'tcp::0-',
    'tcp::0-:',
    'tcp:127.0.0.1:0-22',
    '-',
    'a-b:c',
    'tcp:127.0.0.1:-:22',
    'tcp:127.0.0.1:0-:22-',
    'tcp:127.0.0.1:0--:22',
    'tcp:127.0.0.1:0-:22:',
    'udp:127.0.0.1:0-10.0.2.15:x',
    'tcp:0.0.0.0.0:0-:22',
    'tcp:127.0.0.1:0-0:22',
    'tcp:192.0.2.99:0-:22',
    'udp:192.0.2.99:0-:22',
  ]) {
    rules.add(rule);
  }
  const single = [...rules].map((rule) => hostfwd(rule));
  return [
    ...single,
    hostfwd('bad', 'worse'),
    hostfwd('tcp:127.0.0.1:0-:1', 'bad'),
    hostfwd('bad', 'tcp:127.0.0.1:0-:1'),
  ];
}

function hostfwd(...rules: string[]): string {
  const list = rules.map((rule) => `{"str":${JSON.stringify(rule)}}`).join(',');
  return `{"execute":"netdev_add","arguments":{"type":"user","id":"x","hostfwd":[${list}]}}`;
}

/** `user` with combinations of addresses: network forms, masks, members outside of it. */
function addressRequests(): string[] {
  const nets = [
    ...[
      '10.0.2.0/24',
      '10.0.2.0',
      '10.7.0.0/16',
      '192.168.76.0',
      '172.16.0.0',
      '172.32.0.0',
      '130.1.2.3',
      '200.1.2.0',
      '198.18.0.1',
    ],
    ...[
      '198.19.1.200',
      '224.0.0.1',
      '255.1.1.1',
      '10',
      '10.2',
      '0x0a000200/24',
      '10.0.2.0/255.255.255.0',
      '10.0.2.0/255.0.255.0',
    ],
    ...[
      '10.0.2.0/',
      '10.0.2.0/3',
      '10.0.2.0/33',
      '10.0.2.0/x',
      '10.0.2.0/24x',
      '10.0.2.0/29',
      '10.0.2.0/30',
      '10.0.2.0/31',
      '10.0.2.0/32',
    ],
    ...['10.0.2.0/8/24', '/24', '', ' 10.0.2.0/24', '10.0.2.256/24'],
  ];
  const others = [
    ...[
      '"host":"10.0.2.9"',
      '"host":"10.0.3.9"',
      '"dns":"10.0.2.2"',
      '"dns":"8.8.8.8"',
      '"dns":"8.8.8.8","restrict":true',
    ],
    ...['"dhcpstart":"10.0.2.2"', '"dhcpstart":"10.0.2.3"', '"dhcpstart":"10.0.3.1"', '"dhcpstart":"10.0.2.255"'],
    ...[
      '"ip":"10.1.1.0"',
      '"ip":"10.1.1.0/8"',
      '"ip":"10.1.1.0","net":"10.2.2.0/24"',
      '"ipv4":false,"net":"10.0.2.0/24"',
    ],
    ...[
      '"ipv4":false,"ipv6":false',
      '"ipv4":true',
      '"ipv4":true,"ipv6-prefix":"fec0::"',
      '"ipv6":false,"ipv6-dns":"::1"',
    ],
    ...[
      '"ipv6-prefix":"x"',
      '"ipv6-prefix":"fec0::/64"',
      '"ipv6-prefixlen":127',
      '"ipv6-prefixlen":-1',
      '"ipv6-host":"fe80::1"',
    ],
    ...[`"domainname":""`, `"domainname":"${'d'.repeat(256)}"`, `"hostname":"${'h'.repeat(256)}"`],
    ...[`"tftp-server-name":"${'t'.repeat(256)}"`, '"smbserver":"x"', '"smbserver":"10.0.2.4"'],
  ];
  return [...nets.map((net) => `"net":${JSON.stringify(net)}`), ...others].map(
    (members) => `{"execute":"netdev_add","arguments":{"type":"user","id":"x",${members}}}`,
  );
}

/** `socket` with its HOST:PORT texts. */
function hostPortRequests(): string[] {
  const socket = (members: Readonly<Record<string, string>>): string =>
    request('"socket"', Object.fromEntries(Object.entries(members).map(([key, text]) => [key, JSON.stringify(text)])));
  const hosts = ['', '127.0.0.1', '127.1', '0x7f.1', '1x', '127.0.0.256', '192.0.2.99', 'nohost.invalid', ' 127.0.0.1'];
  const ports = ['0', 'x', '', ' 0', '00', '0x0', '0x', '0 ', '0x0g', '-1', '65536', '0:0', '1e1', '08', '+0'];
  const texts = [...hosts.map((host) => `${host}:0`), ...ports.map((port) => `127.0.0.1:${port}`), 'x', ':', '::'];
  return [
    ...texts.map((listen) => socket({ listen })),
    ...texts.map((localaddr) => socket({ udp: '127.0.0.1:9', localaddr })),
    ...texts.map((udp) => socket({ udp, localaddr: '127.0.0.1:0' })),
    ...['127.0.0.1:1', '127.0.0.1:x', 'x', ':1', '1x:1', 'nohost.invalid:1'].map((connect) => socket({ connect })),
    ...[
      '230.0.0.1:5555',
      '127.0.0.1:5555',
      '239.255.255.255:5555',
      '240.0.0.1:1',
      'x',
      '230.0.0.1:x',
      '224.0:5555',
    ].map((mcast) => socket({ mcast })),
    ...['127.0.0.1', '127.0.0.1:0', 'x', '', '127.1', '192.0.2.99'].map((localaddr) =>
      socket({ mcast: '230.0.0.1:5555', localaddr }),
    ),
    socket({ listen: '127.0.0.1:0', localaddr: '127.0.0.1:0' }),
    socket({ connect: '127.0.0.1:1', localaddr: '127.0.0.1:0' }),
    socket({ listen: '127.0.0.1:0', mcast: '230.0.0.1:5555' }),
    socket({ listen: 'x', connect: 'x', mcast: 'x', udp: 'x' }),
    socket({ fd: '5', listen: 'x' }),
    socket({ fd: 'nope' }),
    socket({ fd: '999' }),
  ];
}

/** `dgram` with every pair of kinds of address. A local path too long for a socket is left out: it aborts QEMU. */
function dgramRequests(folder: string): string[] {
  const inet = (host: string, port: string): string => JSON.stringify({ type: 'inet', host, port });
  const unix = (name: string): string => JSON.stringify({ type: 'unix', path: `${folder}/${name}` });
  const others = ['{"type":"fd","str":"nope"}', '{"type":"fd","str":"999"}', '{"type":"vsock","cid":"1","port":"1"}'];
  const locals = ['', inet('127.0.0.1', '0'), inet('', '0'), inet('x.invalid', '0'), inet('::1', '0'), unix('local')];
  const remotes = ['', inet('127.0.0.1', '9'), inet('230.0.0.1', '5555'), inet('300.0.0.1', '9'), unix('remote')];
  const pairs = [...locals, ...others].flatMap((local) =>
    [...remotes, ...others.slice(1)]
      // QEMU reads a member of the wrong branch of the address.
      .filter((remote) => !(remote.includes('230.') && local.includes('"fd"')))
      // One look-up of a name is enough.
      .filter((remote) => !local.includes('x.invalid') || remote.includes('"9"'))
      .map((remote) => [local, remote] as const),
  );
  const ports = ['x', '', '0x9', ' 9', '9 ', '70000', '-1', '09'].flatMap((port) => [
    [inet('127.0.0.1', '0'), inet('127.0.0.1', port)] as const,
    [inet('127.0.0.1', `0${port}`), inet('127.0.0.1', '9')] as const,
  ]);
  const interfaces = ['127.0.0.1', 'x', '192.0.2.99'].map(
    (host) => [inet(host, 'ignored'), inet('230.0.0.1', '5555')] as const,
  );
  return [...pairs, ...ports, ...interfaces].map(([local, remote]) =>
    request('"dgram"', {
      ...(local === '' ? {} : { local }),
      ...(remote === '' ? {} : { remote }),
    }),
  );
}

function otherRequests(folder: string): string[] {
  const named = (id: string): string => JSON.stringify({ execute: 'netdev_add', arguments: { type: 'user', id } });
  const stream = (addr: string, more: Readonly<Record<string, string>> = {}): string =>
    request('"stream"', { addr, ...more });
  const inet = '{"type":"inet","host":"127.0.0.1","port":"1"';
  return [
    ...['a b', '1a', 'a.', '-a', 'a_b-c.d', '\u00e9', 'a\u00e9', 'a/b', 'a=b', 'a,b', '#net0', 'i'.repeat(300)].map(
      named,
    ),
    ...['af-xdp', 'passt', 'listener', 'netmap', 'vhost-vdpa', 'vmnet-host', 'help', '?', 'USER', 'user '].map((type) =>
      request(JSON.stringify(type), {}),
    ),
    request('"listener"', { addr: unixAddress(folder) }),
    request('"af-xdp"', { ifname: '"lo"' }),
    request('"passt"', {}),
    stream('{"type":"fd","str":"nope"}'),
    stream('{"type":"fd","str":"999"}'),
    stream('{"type":"vsock","cid":"1","port":"1"}'),
    stream(`${inet},"mptcp":true}`),
    stream(`${inet},"ipv4":false,"ipv6":false}`),
    stream('{"type":"unix","path":"ny-differential","abstract":true}', { server: 'true' }),
    stream(unixAddress(folder), { 'reconnect-ms': '500' }),
    stream(unixAddress(folder), { reconnect: '1', 'reconnect-ms': '500' }),
    request('"user"', { guestfwd: '[{"str":"tcp:10.0.2.100:80-cmd:true"}]' }),
    ...['', '1x', '0x3', '99999999999', '-1', '4294967296'].flatMap((text) => [
      request('"socket"', { fd: JSON.stringify(text) }),
      request('"dgram"', { local: JSON.stringify({ type: 'fd', str: text }) }),
      request('"tap"', { fd: JSON.stringify(text) }),
    ]),
    ...['{}', '{"fdname":"x"}', '{"fdname":"1x"}', '{"fdname":5}', '{"fdname":"x","y":1}'].flatMap((args) =>
      ['getfd', 'closefd'].map((name) => `{"execute":"${name}","arguments":${args}}`),
    ),
    request('"tap"', { fd: '"nope"' }),
    request('"tap"', { fd: '"999"', ifname: '"x"' }),
    request('"bridge"', { helper: '"/bin/false"' }),
    request('"vhost-user"', { chardev: '"nope"' }),
    request('"vde"', { sock: JSON.stringify(`${folder}/no-switch`) }),
    request('"netmap"', { ifname: '"x"' }),
    request('"nic"', {}),
    request('"none"', {}),
    // Arguments of which the second is wrong, to see which check comes first.
    request('"none"', { id: '"1a"' }),
    request('"hubport"', { hubid: '"x"', bogus: '1' }),
    request('"user"', { net: '"x"', host: '"y"', hostfwd: '[{"str":"bad"}]' }),
    request('"user"', { restrict: '5', ipv4: '5' }),
    request('"user"', { 'ipv6-prefix': '"x"', net: '"x"' }),
  ];
}
