/** Requests of every command but netdev_add, and what is wrong with requests as such. */

/** JSON values that try the checks of an argument. */
const VALUES = ['0', '-1', '1', '4294967297', '9223372036854775808', '1.5', 'true', 'null', '""', '"x"', '[]', '{}'];

const execute = (command: string, args?: string): string =>
  args === undefined ? `{"execute":"${command}"}` : `{"execute":"${command}","arguments":${args}}`;

function commandRequests(): string[] {
  const requests: string[] = [];
  const members = (command: string, base: Readonly<Record<string, string>>, names: readonly string[]): void => {
    requests.push(execute(command), ...VALUES.map((value) => execute(command, value)));
    for (const name of names) {
      const rest = Object.entries(base).filter(([other]) => other !== name);
      const object = (entries: readonly (readonly [string, string])[]): string =>
        `{${entries.map(([key, value]) => `"${key}":${value}`).join(',')}}`;
      requests.push(execute(command, object(rest)));
      requests.push(...VALUES.map((value) => execute(command, object([...rest, [name, value]]))));
    }
  };
  members('netdev_del', { id: '"nope"' }, ['id', 'bogus']);
  members('set_link', { name: '"nope"', up: 'true' }, ['name', 'up', 'bogus']);
  members('query-rx-filter', {}, ['name', 'bogus']);
  members('announce-self', { initial: '1', max: '1', rounds: '0', step: '1' }, [
    ...['initial', 'max', 'rounds', 'step', 'interfaces', 'id', 'bogus'],
  ]);
  requests.push(
    execute('announce-self', '{"initial":1,"max":1,"rounds":0,"step":1,"interfaces":["a",5]}'),
    execute('announce-self', '{"initial":1,"max":1,"rounds":0,"step":1,"interfaces":["a","b"],"id":"t"}'),
  );
  members('query-name', {}, ['bogus']);
  members('human-monitor-command', { 'command-line': '""' }, ['command-line', 'cpu-index', 'bogus']);
  members('qmp_capabilities', {}, ['enable', 'bogus']);
  requests.push(execute('qmp_capabilities', '{"enable":["oob"]}'), execute('qmp_capabilities', '{"enable":["foo"]}'));
  requests.push(execute('query-commands', '{"x":1}'), execute('query-version', '{"x":1}'));
  requests.push(execute('query-qmp-schema', '{"x":1}'), execute('query-status', '{"x":1}'), execute('quit', '{"x":1}'));
  for (const name of ['', 'nope', 'QUERY-NAME', 'query_name', 'netdev-add', 'set-link', ' query-name', 'toString']) {
    requests.push(execute(name), execute(name, '{"a":1}'));
  }
  requests.push(execute('query-version'), execute('query-status'), execute('query-commands'));
  requests.push(execute('query-qmp-schema'), execute('query-block'));
  requests.push(execute('query-netdevs'), execute('query-events'), execute('__proto__'), execute('constructor'));
  return requests;
}

function requestObjects(): string[] {
  return [
    ...['{}', '[]', '"x"', '5 ', '-0 ', 'null ', 'true ', '[{"execute":"query-name"}]'],
    ...VALUES.map((value) => `{"execute":${value}}`),
    ...VALUES.map((value) => `{"execute":"query-name","arguments":${value}}`),
    ...[...VALUES, '[1,{"b":1,"a":2}]', '1e3', '0.1', '-0.0', '18446744073709551615', '"\\u00e9\\ud83d\\ude00"'].map(
      (value) => `{"execute":"nope","id":${value}}`,
    ),
    '{"id":1}',
    '{"foo":1}',
    '{"execute":"query-name","foo":1}',
    '{"exec-oob":"query-name"}',
    '{"execute":"query-name","exec-oob":"query-name"}',
    '{"execute":"nope","arguments":5}',
    '{"arguments":{}}',
    '{"execute":5,"id":7}',
    '{"execute":"netdev_del","arguments":{"id":"\\u0000"}}',
    '{"execute":"netdev_del","arguments":{"id":"\\u00e9"}}',
    '{"execute":"set_link","arguments":{"name":"a\\nb","up":true}}',
  ];
}

/** Text that is no JSON; each ends in a state from which the next request is read. */
function brokenTexts(): string[] {
  return [
    ...['foo ', '{"a"}', '{"a" "b"}', '{"a":}', '{"a":1,}', '{,}', '[,1]', '[1,]', '{]', '[}', '}', ']', ',', ':'],
    ...['{1:2}', '{"a":1 "b":2}', '[1 2]', '{"a":1,"a":2}', '[{"a":1,"a":2}]', "{'execute':'query-name'}", "['\\'']"],
    ...['"\\x"', '"\\u12g4"', '"\\ud800"', '"\\udc00"', '"\\ud800x"', '"\\ufffe"', '"\\u0000"'],
    ...['TRUE}', '{"a":TRUE}', '{"a":01}', '{"a":5.}', '{"a":-a}', '{"a":0x10}', '{"a":1e}', '{"a":1e+}', '{"a":0e1}'],
    ...[
      '{"a":.5}',
      '{"a":+1}',
      '{"a":NaN}',
      '{"a":-}',
      '{"a":1.5.5}',
      '{"a":"a\tb"}',
      '{"id":"unterminated',
      '#comment',
    ],
    ...['/* c */', '{"a":%d}', '{"a":1}}', '{"execute":"query-name"} x ', '\f', '\v{"execute":"query-name"}'],
    ...['{"execute":"query-name","id":nulL}', '{"execute":"query-name",}', '{"a":tru}', '{"a":"\\u00"}', '\ufeff'],
    ...['{"a":1e400}', '{"execute":"nope","id":123456789012345678901234567890}', '{"a":{]}'],
    ...[40, 1023, 1024, 1025].map((depth) => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`),
    `{"${'k'.repeat(3000)}":1,"${'k'.repeat(3000)}":2}`,
    `{"execute":"${'x'.repeat(3000)}"}`,
  ];
}

/** Requests of a negotiated monitor. */
export function envelopeRequests(): string[] {
  return [...new Set([...commandRequests(), ...requestObjects(), ...brokenTexts()])];
}

/** What is sent first on a connection, instead of qmp_capabilities. */
export function firstRequests(): string[] {
  return [
    execute('query-name'),
    execute('nope'),
    '{"execute":"nope","id":[1]}',
    '{"exec-oob":"query-name"}',
    '{"execute":5}',
    '{"foo":1}',
    execute('qmp_capabilities', '{"enable":["foo"]}'),
    execute('qmp_capabilities', '{"enable":"oob"}'),
    execute('qmp_capabilities', '{"enable":["oob","oob"]}'),
    execute('qmp_capabilities', '{"enable":[]}'),
    execute('qmp_capabilities', '{"x":1}'),
    '{"a":1,}',
  ];
}
