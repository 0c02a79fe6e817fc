/** The emitted types, checked by the compiler itself under the project's own flags. */
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { emitTypes, emitTypesFromIntrospection } from '../../src/qapi/emit-typescript.ts';
import type { JsonValue } from '../../src/qapi/index.ts';
import { faultOf, modelOfFile, modelOfText, ROOT } from '../kit/test-schema.ts';

const { config } = ts.readConfigFile(`${ROOT}tsconfig.base.json`, ts.sys.readFile) as {
  config: { compilerOptions: object };
};
const { options } = ts.convertCompilerOptionsFromJson(
  { ...config.compilerOptions, lib: ['es2023'], types: [], noEmit: true, skipLibCheck: false, noUnusedLocals: false },
  ROOT,
);

/** Messages of the compiler for `types` together with a program that imports them from './types.ts'. */
function diagnose(types: string, program: string): string[] {
  const files = new Map([
    [`${ROOT}types.ts`, types],
    [`${ROOT}program.ts`, program],
  ]);
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path) ?? readFile(path);
  host.getSourceFile = (path, ...rest) => {
    const text = files.get(path);
    return text === undefined ? getSourceFile(path, ...rest) : ts.createSourceFile(path, text, rest[0]);
  };
  return ts.getPreEmitDiagnostics(ts.createProgram([...files.keys()], options, host)).map((diagnostic) => {
    const { file, start = 0, messageText } = diagnostic;
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1;
    return `${file?.fileName.slice(ROOT.length)}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

const CLIENT = `
import type { CommandArguments, CommandName, CommandReturns, EventData, EventName, QmpSchema } from './src/qapi/schema-types.ts';
declare function execute<S extends QmpSchema>(): <K extends CommandName<S>>(
  name: K,
  ...args: {} extends CommandArguments<S, K> ? [args?: CommandArguments<S, K>] : [args: CommandArguments<S, K>]
) => CommandReturns<S, K>;
declare function on<S extends QmpSchema>(): <K extends EventName<S>>(name: K, listener: (data: EventData<S, K>) => void) => void;
`;

/** A program's statements are counted from the one after its import and `run`. */
const FIRST = CLIENT.split('\n').length + 2;

describe('types of netyard', () => {
  const types = emitTypes(modelOfFile('schema/qapi-schema.json'), 'NetyardSchema');

  it('check arguments, narrow unions, and take what the schema takes', () => {
    const program = `${CLIENT}
import type { Netdev, NetyardSchema, SocketAddress } from './types.ts';
const run = execute<NetyardSchema>();
run('netdev_add', { type: 'user', id: 'u', hostfwd: [{ str: 'x' }], 'ipv6-prefixlen': 64n, restrict: undefined });
run('netdev_add', { type: 'none', id: 'n' });
const version: number = run('query-version').qemu.major;
run('quit');
run('query-rx-filter', {});
const text: string = run('human-monitor-command', { 'command-line': 'info network' });
const kinds: string[] = run('query-qmp-schema').map((entry) => (entry['meta-type'] === 'enum' ? entry.members[0]!.name : entry.name));
function path(netdev: Netdev): string | undefined {
  return netdev.type === 'stream' && netdev.addr.type === 'unix' ? netdev.addr.path : undefined;
}
on<NetyardSchema>()('NETDEV_STREAM_CONNECTED', (data) => {
  const to: number | undefined = data.addr.type === 'inet' ? data.addr.to : undefined;
  const input: SocketAddress = data.addr;
});
`;
    expect(diagnose(types, program)).toEqual([]);
  });

  it('refuse what the schema refuses', () => {
    const program = `${CLIENT}
import type { NetyardSchema } from './types.ts';
const run = execute<NetyardSchema>();
run('netdev_ad', { type: 'user', id: 'u' });
run('netdev_add', { type: 'user' });
run('netdev_add', { type: 'user', id: 'u', hubid: 0 });
run('netdev_add', { type: 'hubport', id: 'u', hubid: '0' });
run('netdev_add');
run('quit', { now: true });
run('query-version').qemu.nano;
on<NetyardSchema>()('SHUTDOWN', (data) => data.reason === 'boredom');
`;
    const lines = diagnose(types, program).map((message) => Number(/^program\.ts:(\d+)/.exec(message)?.[1]) - FIRST);
    expect([...new Set(lines)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('carry the documentation', () => {
    expect(types).toContain('/** the number of the hub; it is made with its first port */\n  hubid: number | bigint;');
    expect(types).toContain("@experimental\n   */\n  'x-svq'?: boolean | undefined;");
    expect(types).toContain('@deprecated\n');
    expect(types).toContain('Only with CONFIG_VMNET.');
  });
});

describe('types of a live QEMU', () => {
  const reply = JSON.parse(readFileSync(`${ROOT}tests/vectors/qmp-schema-7.2.json`, 'utf8')) as { return: JsonValue[] };
  const types = emitTypesFromIntrospection(reply.return);

  it('check for all of 7.2', () => {
    const program = `${CLIENT}
import type { QemuSchema } from './types.ts';
const run = execute<QemuSchema>();
run('device_add', { driver: 'virtio-net-pci', id: 'nic0', netdev: 'u0', mac: '52:54:00:12:34:56' });
for (const block of run('query-block')) {
  const size: number | undefined = block.inserted?.image['virtual-size'];
  const name: string = block.device;
}
run('netdev_add', { type: 'user', id: 'u0' });
run('blockdev-add', { driver: 'qcow2', 'node-name': 'n', file: { driver: 'file', filename: 'x' }, backing: null });
run('migrate-set-parameters', { 'tls-creds': null, 'announce-rounds': 3n });
run('object-add', { 'qom-type': 'memory-backend-ram', id: 'm', size: 1048576 });
on<QemuSchema>()('SHUTDOWN', (data) => data.reason === 'host-qmp-quit');
`;
    expect(diagnose(types, program)).toEqual([]);
    expect(types.match(/^ {4}.*: \{ arguments: /gm)).toHaveLength(216);
  });

  it('refuse what 7.2 refuses', () => {
    const program = `${CLIENT}
import type { QemuSchema } from './types.ts';
const run = execute<QemuSchema>();
run('netdev_add', { type: 'af-xdp', id: 'u0' });
run('device_add', { id: 'nic0' });
run('query-block', { x: 1 });
`;
    const lines = diagnose(types, program).map((message) => Number(/^program\.ts:(\d+)/.exec(message)?.[1]) - FIRST);
    expect([...new Set(lines)]).toEqual([1, 2, 3]);
  });

  it('are not made of what is no introspection', () => {
    const entry = (name: string) => ({ name, 'meta-type': 'command', 'arg-type': '0', 'ret-type': '0' });
    expect(faultOf(() => emitTypesFromIntrospection([1]))).toBe('not a reply to query-qmp-schema: expected an object');
    expect(faultOf(() => emitTypesFromIntrospection([entry('x')]))).toBe(
      "not a reply to query-qmp-schema: no type '0'",
    );
    const empty = { name: '0', 'meta-type': 'object', members: [] };
    expect(faultOf(() => emitTypesFromIntrospection([entry("x': never; '"), empty]))).toBe(
      'not a reply to query-qmp-schema: expected a name',
    );
    expect(emitTypesFromIntrospection([entry('x'), empty])).toContain(
      'x: { arguments: Record<string, never>; returns: Record<string, never> };',
    );
  });

  it('a reply that is no list, and a list of itself, are refused in one line', () => {
    for (const reply of [null, { a: 1 }, 'x'])
      expect(faultOf(() => emitTypesFromIntrospection(reply as never))).toBe(
        'not a reply to query-qmp-schema: expected a list',
      );
    const cyclic = [
      { name: 'x', 'meta-type': 'command', 'arg-type': '0', 'ret-type': '1' },
      { name: '0', 'meta-type': 'object', members: [] },
      { name: '1', 'meta-type': 'array', 'element-type': '1' },
    ];
    expect(faultOf(() => emitTypesFromIntrospection(cyclic))).toBe(
      "not a reply to query-qmp-schema: lists of type '1' are nested without end",
    );
  });
});

describe('corners of the language', () => {
  it('type-check', () => {
    const types = emitTypes(
      modelOfText(`
{ 'pragma': { 'command-returns-exceptions': [ 'odd' ] } }
{ 'enum': 'Kind', 'data': [ '1st', 'plain', 'x-y' ] }
{ 'enum': 'Never', 'data': [] }
{ 'struct': 'Base', 'data': { 'kind': 'Kind' } }
{ 'struct': 'Rec', 'base': 'Base', 'data': { '*rec': 'Rec', '*list': [ 'Alt' ], '*nothing': 'null', '*any': 'any', '*never': [ 'Never' ] } }
{ 'union': 'Inner', 'base': { 'inner': 'Kind' }, 'discriminator': 'inner', 'data': { '1st': 'String' } }
{ 'struct': 'String', 'data': { 'str': 'str' } }
{ 'struct': 'InnerPlain', 'data': { 'i': 'size' } }
{ 'union': 'Outer', 'base': 'Base', 'discriminator': 'kind', 'data': { 'x-y': 'Inner', 'plain': 'InnerPlain' } }
{ 'alternate': 'Alt', 'data': { 'i': 'int', 'o': 'Rec', 'n': 'null' } }
{ 'command': 'odd', 'data': 'Outer', 'boxed': true, 'returns': 'any' }
{ 'command': 'open', 'data': { 'driver': 'str' }, 'gen': false, 'returns': [ 'Rec' ] }
{ 'command': 'back', 'data': 'Rec', 'returns': 'Outer' }
{ 'event': 'NOTHING' }
`),
      'Schema',
    );
    const program = `${CLIENT}
import type { OuterOutput, Schema } from './types.ts';
const run = execute<Schema>();
run('odd', { kind: 'x-y', inner: '1st', str: 's' });
run('odd', { kind: '1st' });
run('odd', { kind: 'plain', i: 1n });
run('open', { driver: 'd', anything: 1 })[0]!.list?.[0];
const back: OuterOutput = run('back', { kind: 'plain', rec: { kind: 'plain', list: [1n, null, { kind: '1st' }] } });
const size: number = back.kind === 'plain' ? back.i : 0;
`;
    expect(diagnose(types, program)).toEqual([]);
  });
});
