/** The command table: one row for each command of the schema that this yard answers. */
import type { CommandArguments, CommandReturns } from '../../qapi/index.ts';
import type { QmpContext } from '../../qmp/index.ts';
import type { NetyardSchema } from '../../schema/net.ts';
import type { Yard } from '../yard.ts';
import { announceSelf } from './announce-self.ts';
import { closefd } from './closefd.ts';
import { getfd } from './getfd.ts';
import { humanMonitorCommand } from './human-monitor-command.ts';
import { netdevAdd } from './netdev-add.ts';
import { netdevDel } from './netdev-del.ts';
import { queryCommands } from './query-commands.ts';
import { queryName } from './query-name.ts';
import { queryNetClients } from './query-net-clients.ts';
import { queryNetSwitch } from './query-net-switch.ts';
import { queryQmpSchema } from './query-qmp-schema.ts';
import { queryRxFilter } from './query-rx-filter.ts';
import { queryStatus } from './query-status.ts';
import { queryVersion } from './query-version.ts';
import { quit } from './quit.ts';
import { setLink } from './set-link.ts';
import { hostfwdAdd, hostfwdRemove, queryNetForwards, queryNetLeases } from './usernet.ts';

type Command<K extends keyof NetyardSchema['commands']> = (
  yard: Yard,
  args: CommandArguments<NetyardSchema, K>,
  context?: QmpContext,
) => Result<K> | Promise<Result<K>>;
/** A command without a result answers `{}`. */
// biome-ignore lint/suspicious/noConfusingVoidType: what a handler that returns nothing returns
type Result<K extends keyof NetyardSchema['commands']> = CommandReturns<NetyardSchema, K> | void;

/** Arguments arrive checked by the schema; a result is written by it. qmp_capabilities belongs to the session. */
export const commands = {
  'announce-self': announceSelf,
  closefd,
  getfd,
  'hostfwd-add': hostfwdAdd,
  'hostfwd-remove': hostfwdRemove,
  'human-monitor-command': humanMonitorCommand,
  netdev_add: netdevAdd,
  netdev_del: netdevDel,
  'query-commands': queryCommands,
  'query-name': queryName,
  'query-net-clients': queryNetClients,
  'query-net-forwards': queryNetForwards,
  'query-net-leases': queryNetLeases,
  'query-net-switch': queryNetSwitch,
  'query-qmp-schema': queryQmpSchema,
  'query-rx-filter': queryRxFilter,
  'query-status': queryStatus,
  'query-version': queryVersion,
  quit,
  set_link: setLink,
} satisfies { [K in keyof NetyardSchema['commands']]?: Command<K> };
