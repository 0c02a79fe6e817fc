/** tap: an interface of this machine as a wire (QEMU net/tap.c). */
import type { Descriptor, NetClient, NetdevContext } from '../../net/index.ts';
import type { NetdevTapOptions } from '../../schema/net.ts';
import { runHelper } from './bridge-helper.ts';
import { adoptDevice, createDevice, deviceOf, limitSendBuffer, refuseVhost, type TapDevice } from './device.ts';
import { planTap, sendBuffer, type TapPlan } from './options.ts';
import { runDownScript, runScript } from './scripts.ts';
import { TapNetdev } from './tap-netdev.ts';

export { DEFAULT_BRIDGE, runDefaultHelper, runHelper } from './bridge-helper.ts';
export { createDevice, deviceOf, type TapDevice } from './device.ts';
export { indexOf, readWord, requestFor, WORD_AT, writeWord } from './interface.ts';
export { TapNetdev } from './tap-netdev.ts';

/** The driver. Rejects with QapiError with QEMU's text. */
export async function createTap(options: NetdevTapOptions, context: NetdevContext): Promise<NetClient> {
  const plan = planTap(options);
  const { kernel } = context.host;
  const device = await open(plan, context);
  return closing(device.queues, async () => {
    limitSendBuffer(device, sendBuffer(options), options.sndbuf !== undefined);
    if (plan.vhost) refuseVhost(kernel);
    let info = '';
    let onClose: (() => Promise<void>) | undefined;
    if (plan.kind === 'own') {
      const { script, downScript } = plan;
      const { interfaceName } = device;
      const tap = device.queues[0] as Descriptor;
      info = `ifname=${interfaceName},script=${script || 'no'},downscript=${downScript || 'no'}`;
      if (script !== '') await runScript(kernel, script, interfaceName, tap, context.signal);
      if (downScript !== '') onClose = () => runDownScript(kernel, downScript, interfaceName, tap, context.log);
    } else {
      info = plan.kind === 'helper' ? `helper=${plan.helper}` : plan.info;
    }
    const netdev = new TapNetdev(context, { device, info, onClose });
    if (context.signal.aborted) {
      await netdev.close();
      context.signal.throwIfAborted();
    }
    return netdev;
  });
}

async function open(
  plan: TapPlan,
  { host: { kernel, sockets }, id, signal, takeDescriptor }: NetdevContext,
): Promise<TapDevice> {
  switch (plan.kind) {
    case 'descriptors':
      return adoptDevice(kernel, plan.texts, takeDescriptor, (number) => sockets.closeDescriptor?.(number), id);
    case 'helper': {
      const descriptor = await runHelper(kernel, plan.helper, plan.bridge, signal);
      return closing([descriptor], () => deviceOf([descriptor]));
    }
    case 'own':
      return createDevice(kernel, plan.name, plan.queues, plan.vnetHeader);
    default:
      return plan satisfies never;
  }
}

/** Closes the descriptors when `use` fails. */
export async function closing<T>(descriptors: readonly Descriptor[], use: () => T | Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    for (const descriptor of descriptors) descriptor.close();
    throw error;
  }
}
