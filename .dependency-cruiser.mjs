/**
 * Layering: the picture in docs/architecture.md as rules. Imports go down only; a room is entered through its index.ts;
 * portable rooms know neither Node nor any package.
 */

const PORTABLE = 'wire|qapi|qmp|net|slirp|netdevs|yard|schema';

/** Each room and the rooms it may import. What is not listed here may not be imported. */
const MAY_IMPORT = {
  wire: [],
  qapi: [],
  schema: ['qapi'],
  qmp: ['qapi', 'schema'],
  net: ['wire', 'qapi', 'schema'],
  slirp: ['net', 'wire', 'qapi', 'schema'],
  netdevs: ['slirp', 'net', 'wire', 'qapi', 'schema'],
  yard: ['netdevs', 'slirp', 'net', 'wire', 'qapi', 'qmp', 'schema'],
  node: ['yard', 'net', 'qmp', 'qapi', 'schema', 'wire'],
  browser: ['yard', 'netdevs', 'slirp', 'net', 'qmp', 'qapi', 'schema', 'wire'],
  monitor: ['node', 'yard', 'net', 'qmp', 'qapi', 'schema'],
  cli: ['monitor', 'node', 'yard', 'netdevs', 'net', 'qmp', 'qapi', 'schema', 'wire'],
};

/**
 * The doors of a room: its index.ts, and these few besides. The contracts of net and qapi (types, constants and error
 * classes, which lead to nothing else) are the line between the rooms. The schema language's front end is no part of
 * index.ts so that it stays out of the browser's bundle.
 */
const DOORS = [
  '^src/net/(frame|host|client|trace)\\.ts$',
  '^src/qapi/(error|value)\\.ts$',
  '^src/qapi/(front|emit-markdown|emit-typescript|compile-table)\\.ts$',
  '^src/schema/net\\.ts$',
  // What `netyard` and `netyard/browser` export alike.
  '^src/yard/api\\.ts$',
  // The subpath netyard/qmp, on Node and in a page.
  '^src/(node/qmp|qmp/client)\\.ts$',
  '^src/[a-z]+/index\\.ts$',
];

const NOT_TESTS = '\\.test\\.ts$';

const room = (name) => `^src/${name}/`;

const layers = Object.entries(MAY_IMPORT).map(([name, allowed]) => ({
  name: `layer-${name}`,
  comment: `src/${name} may import ${allowed.length === 0 ? 'no other room' : allowed.join(', ')}`,
  severity: 'error',
  from: { path: room(name), pathNot: NOT_TESTS },
  to: { path: '^src/', pathNot: [room(name), ...allowed.map(room), '^src/(index|version)\\.ts$'] },
}));

export default {
  forbidden: [
    ...layers,
    {
      name: 'contract-leads-nowhere',
      comment: 'a contract is safe to import because it brings nothing with it but other contracts',
      severity: 'error',
      from: { path: '^src/(net/(frame|host|client|trace)|qapi/(error|value))\\.ts$' },
      to: { pathNot: '^src/(net/(frame|host|client|trace)|qapi/(error|value))\\.ts$' },
    },
    {
      name: 'entry-is-for-cli',
      comment: 'src/index.ts is the library: only the program is built on it',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/cli/', NOT_TESTS] },
      to: { path: '^src/index\\.ts$' },
    },
    {
      name: 'entry-knows-no-program',
      comment: 'the library opens no monitor and runs no command line',
      severity: 'error',
      from: { path: '^src/index\\.ts$' },
      to: { path: '^src/(cli|browser|monitor)/' },
    },
    {
      name: 'room-by-its-door',
      comment: 'another room is imported through its index.ts, never a file inside it',
      severity: 'error',
      from: { path: '^src/([a-z]+)/', pathNot: NOT_TESTS },
      to: { path: '^src/[a-z]+/', pathNot: ['^src/$1/', ...DOORS] },
    },
    {
      name: 'entry-by-the-door',
      comment: 'the library takes rooms by their index.ts too',
      severity: 'error',
      from: { path: '^src/index\\.ts$' },
      to: { path: '^src/[a-z]+/', pathNot: DOORS },
    },
    {
      name: 'portable-no-node',
      comment: 'portable rooms run in a page: everything of the platform comes through the Host',
      severity: 'error',
      from: { path: `^src/(${PORTABLE}|browser)/`, pathNot: NOT_TESTS },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'portable-no-package',
      comment: 'portable rooms have no dependency at all',
      severity: 'error',
      from: { path: `^src/(${PORTABLE}|browser)/`, pathNot: NOT_TESTS },
      to: { path: 'node_modules' },
    },
    {
      name: 'qapi-runtime-without-front',
      comment: 'the engine and its table are what the browser loads; the schema language is not',
      severity: 'error',
      from: { path: '^src/qapi/index\\.ts$' },
      to: { path: '^src/qapi/(front|checker|parser|lexer|emit-).*\\.ts$', reachable: true },
    },
    {
      name: 'native-only-from-node',
      comment: 'system calls are reached through the Host',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/node/' },
      to: { path: '^(native|dist-native)/|\\.node$' },
    },
    {
      name: 'source-without-tests',
      comment: 'the package ships no test code',
      severity: 'error',
      from: { path: '^src/', pathNot: NOT_TESTS },
      to: { path: ['^(tests|bench|fuzz|tools|examples|docs)/', NOT_TESTS] },
    },
    {
      name: 'no-dev-dependency',
      comment: 'what src imports must be installed with the package',
      severity: 'error',
      from: { path: '^src/', pathNot: NOT_TESTS },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'no-cycle',
      comment: 'files that import each other at run time have no order of initialisation',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'resolvable',
      comment: 'an import that leads nowhere',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.json' },
    detectProcessBuiltinModuleCalls: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.mjs', '.js'],
      conditionNames: ['import', 'node', 'types', 'default'],
    },
  },
};
