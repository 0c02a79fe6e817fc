/** The table of the human monitor: names, parameters and help lines as QEMU prints them. */
import type { UsernetControl } from '../../net/index.ts';
import { parseNetdevOptions, parseOptionList, QapiError } from '../../qapi/index.ts';
import type { QmpContext } from '../../qmp/index.ts';
import type { Netdev } from '../../schema/net.ts';
import { announceSelf } from '../commands/announce-self.ts';
import { closefd } from '../commands/closefd.ts';
import { getfd } from '../commands/getfd.ts';
import { usernets } from '../commands/usernet.ts';
import { deviceNotFound } from '../errors.ts';
import { isIdentifier } from '../identifier.ts';
import { netdevHelp } from '../netdev-help.ts';
import type { Yard } from '../yard.ts';
import { usernetText } from './usernet-text.ts';

export interface HmpParameter {
  /** `options` may be empty; `onoff` is not quoted. */
  readonly kind: 'word' | 'options' | 'onoff';
  readonly optional?: boolean;
}

export interface HmpCommand {
  /** Aliases separated by `|`. */
  readonly name: string;
  readonly synopsis: string;
  readonly help: string;
  readonly parameters: readonly HmpParameter[];
  /**
   * Its output without a final line end; throws QapiError.
   * @param context of the request that brought the line.
   */
  run(yard: Yard, args: readonly string[], context?: QmpContext): string | Promise<string>;
}

const WORD: HmpParameter = { kind: 'word' };
const OPTIONAL: HmpParameter = { kind: 'word', optional: true };
/** The migration parameters' defaults, which HMP's announce_self uses (QEMU migration/options.c). */
const ANNOUNCE_DEFAULTS = { initial: 50, max: 550, rounds: 5, step: 100 };

export const hmpCommands: readonly HmpCommand[] = [
  {
    name: 'announce_self',
    synopsis: '[interfaces] [id]',
    help: 'Trigger GARP/RARP announcements',
    parameters: [OPTIONAL, OPTIONAL],
    run: (yard, [interfaces, id]) => {
      announceSelf(yard, { ...ANNOUNCE_DEFAULTS, interfaces: interfaces?.split(','), id });
      return '';
    },
  },
  {
    name: 'closefd',
    synopsis: 'closefd name',
    help: 'close a file descriptor previously passed via SCM rights',
    parameters: [WORD],
    run: (yard, [fdname]) => {
      closefd(yard, { fdname: fdname! });
      return '';
    },
  },
  {
    name: 'getfd',
    synopsis: 'getfd name',
    help: 'receive a file descriptor via SCM rights and assign it a name',
    parameters: [WORD],
    run: (yard, [fdname], context) => {
      getfd(yard, { fdname: fdname! }, context);
      return '';
    },
  },
  {
    name: 'hostfwd_add',
    synopsis: '[netdev_id] [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport',
    help: 'redirect TCP or UDP connections from host to guest (requires -net user)',
    parameters: [WORD, OPTIONAL],
    run: (yard, args) =>
      hostfwd(yard, args, async (control, rule) => {
        await control.addForward(rule);
        return '';
      }),
  },
  {
    name: 'hostfwd_remove',
    synopsis: '[netdev_id] [tcp|udp]:[hostaddr]:hostport',
    help: 'remove host-to-guest TCP or UDP redirection',
    parameters: [WORD, OPTIONAL],
    run: (yard, args) =>
      hostfwd(yard, args, async (control, spec) => {
        const removed = await control.removeForward(spec);
        return `host forwarding rule for ${spec} ${removed ? 'removed' : 'not found'}`;
      }),
  },
  {
    name: 'netdev_add',
    synopsis: '[user|tap|socket|stream|dgram|vde|bridge|hubport|netmap|vhost-user|af-xdp],id=str[,prop=value][,...]',
    help: 'add host network device',
    parameters: [{ kind: 'options' }],
    run: netdevAdd,
  },
  {
    name: 'netdev_del',
    synopsis: 'id',
    help: 'remove host network device',
    parameters: [WORD],
    run: async (yard, [id]) => {
      await yard.netdevs.delete(id!);
      return '';
    },
  },
  {
    name: 'quit|q',
    synopsis: '',
    help: 'quit the emulator',
    parameters: [],
    run: async (yard) => {
      await yard.execute('quit', undefined);
      return '';
    },
  },
  {
    name: 'set_link',
    synopsis: 'name on|off',
    help: 'change the link status of a network adapter',
    parameters: [WORD, { kind: 'onoff' }],
    run: (yard, [name, state]) => {
      if (!yard.network.setLink(name!, state === 'on')) throw deviceNotFound(name!);
      return '';
    },
  },
];

export const infoCommands: readonly HmpCommand[] = [
  {
    name: 'network',
    synopsis: '',
    help: 'show the network state',
    parameters: [],
    run: (yard) => yard.network.infoText().replace(/\r?\n$/, ''),
  },
  {
    name: 'usernet',
    synopsis: '',
    help: 'show user network stack connection states',
    parameters: [],
    run: (yard) => usernetText(yard),
  },
];

/** Traditional syntax only, as the monitor's option type has it; every value of a repeated key counts. */
async function netdevAdd(yard: Yard, [text]: readonly string[]): Promise<string> {
  const type = text!.split(',')[0];
  if (type === 'help' || type === '?' || type === 'type=help') return netdevHelp(yard).join('\n');
  const { value, warnings } = parseNetdevOptions(yard.schema, parseOptionList(text!, 'type'));
  const options = value as unknown as Netdev;
  if (!isIdentifier(options.id)) throw new QapiError("Parameter 'id' expects an identifier");
  await yard.addNetdev(options, true);
  return warnings.map((warning) => `warning: ${warning}`).join('\n');
}

/** One argument: the first user network; two: the one named. No failure has `Error:` in front, as in QEMU. */
async function hostfwd(
  yard: Yard,
  args: readonly string[],
  change: (control: UsernetControl, rule: string) => Promise<string>,
): Promise<string> {
  const [first, second] = args;
  const client = second === undefined ? undefined : yard.netdevs.client(first!);
  if (second !== undefined && client === undefined) return `unrecognized netdev id '${first}'`;
  const control = second === undefined ? usernets(yard)[0]?.control : client?.usernet;
  if (control === undefined)
    return second === undefined ? 'user mode network stack not in use' : 'invalid device specified';
  try {
    return await change(control, second ?? first!);
  } catch (error) {
    if (error instanceof QapiError) return error.message;
    throw error;
  }
}
