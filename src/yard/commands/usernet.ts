/** Queries and changes of the user networks: leases and host forwards. */
import type { Forward, Lease, UsernetControl } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import type { NetForwardInfo, NetLeaseInfo } from '../../schema/net.ts';
import { deviceNotFound } from '../errors.ts';
import type { Yard } from '../yard.ts';

interface Selection {
  id?: string | undefined;
}

/** Every user network in creation order, or the one named. @throws QapiError DeviceNotFound or not a user network. */
export function usernets(yard: Yard, id?: string): { id: string; control: UsernetControl }[] {
  const found = [];
  for (const name of id === undefined ? yard.netdevs.ids() : [id]) {
    const client = yard.netdevs.client(name);
    if (client === undefined) throw deviceNotFound(name);
    if (client.usernet !== undefined) found.push({ id: name, control: client.usernet });
    else if (id !== undefined) throw new QapiError(`netdev '${id}' is not a user network`);
  }
  return found;
}

export function queryNetLeases(yard: Yard, args: Selection): NetLeaseInfo[] {
  return usernets(yard, args.id).flatMap(({ id, control }) =>
    control.leases().map((lease: Lease) => ({
      id,
      mac: lease.mac,
      address: lease.address,
      hostname: lease.hostname,
      'expires-in': lease.expiresIn,
    })),
  );
}

export function queryNetForwards(yard: Yard, args: Selection): NetForwardInfo[] {
  return usernets(yard, args.id).flatMap(({ id, control }) =>
    control.forwards().map((forward) => describe(id, forward)),
  );
}

export async function hostfwdAdd(yard: Yard, args: { id: string; rule: string }): Promise<NetForwardInfo> {
  const [usernet] = usernets(yard, args.id);
  return describe(args.id, await usernet!.control.addForward(args.rule));
}

export async function hostfwdRemove(yard: Yard, args: { id: string; rule: string }): Promise<void> {
  const [usernet] = usernets(yard, args.id);
  if (!(await usernet!.control.removeForward(args.rule))) {
    throw new QapiError(`host forwarding rule for ${args.rule} not found`);
  }
}

function describe(id: string, forward: Forward): NetForwardInfo {
  return {
    id,
    protocol: forward.protocol,
    'host-address': forward.hostAddress,
    'host-port': forward.hostPort,
    'guest-address': forward.guestAddress,
    'guest-port': forward.guestPort,
  };
}
