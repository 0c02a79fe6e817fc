/** What interpreting the table costs: netdev_add's arguments from JSON values, an option string, and a result. */
import { bench, do_not_optimize, group, run } from 'mitata';
import { parseNetdevArgument, Schema } from '../../../src/qapi/index.ts';
import { NETYARD_TABLE } from '../../../src/schema/net.ts';

const schema = new Schema(NETYARD_TABLE);

const user = {
  type: 'user',
  id: 'u0',
  net: '10.0.2.0/24',
  restrict: false,
  'ipv6-prefixlen': 64,
  hostfwd: [{ str: 'tcp:127.0.0.1:2222-:22' }, { str: 'tcp:127.0.0.1:8080-:80' }],
};
const stream = {
  type: 'stream',
  id: 's0',
  addr: { type: 'inet', host: '127.0.0.1', port: '1234', to: 1240 },
  server: true,
};
const clients = Array.from({ length: 10 }, (_, index) => ({
  name: `n${index}`,
  type: 'user',
  'queue-index': 0,
  'is-netdev': true,
  link: true,
  'admin-link': true,
  carrier: true,
  info: 'net=10.0.2.0,restrict=off',
  'queued-frames': 0,
  'queued-bytes': 0,
  'sent-frames': 1,
  'sent-bytes': 60,
  'received-frames': 1,
  'received-bytes': 60,
  dropped: [{ reason: 'link-down', count: 1 }],
}));

bench('noop', () => {});
group('input', () => {
  bench('netdev_add user, 6 members', () => do_not_optimize(schema.inputCommand('netdev_add', user)));
  bench('netdev_add stream, nested', () => do_not_optimize(schema.inputCommand('netdev_add', stream)));
  bench('set_link', () => do_not_optimize(schema.inputCommand('set_link', { name: 'u0', up: false })));
  bench('-netdev user,...', () =>
    do_not_optimize(
      parseNetdevArgument(schema, 'user,id=u0,net=10.0.2.0/24,restrict=off,hostfwd=tcp::1-:2', JSON.parse),
    ),
  );
  bench('-netdev stream,... (dotted keys)', () =>
    do_not_optimize(
      parseNetdevArgument(schema, 'stream,id=s0,server=on,addr.type=inet,addr.host=h,addr.port=1', JSON.parse),
    ),
  );
});
group('output', () => {
  bench('query-net-clients, 10', () => do_not_optimize(schema.outputCommand('query-net-clients', clients)));
});
group('once', () => {
  bench('new Schema(table)', () => do_not_optimize(new Schema(NETYARD_TABLE)));
  bench('introspect()', () => do_not_optimize(schema.introspect()));
});

await run();
