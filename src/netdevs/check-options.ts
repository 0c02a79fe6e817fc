/** What each driver says of its options before it opens anything. */
import type { Netdev } from '../schema/net.ts';
import { planLayout } from './l2tpv3/options.ts';
import { checkSocketOptions } from './socket/options.ts';
import { streamConfig } from './stream/options.ts';
import { planTap } from './tap/options.ts';
import { parseUserOptions } from './user/options.ts';

/** @throws QapiError as a start with these options would */
export function checkNetdevOptions(options: Netdev): void {
  switch (options.type) {
    case 'l2tpv3':
      planLayout(options);
      return;
    case 'socket':
      checkSocketOptions(options);
      return;
    case 'stream':
      streamConfig(options);
      return;
    case 'tap':
      planTap(options);
      return;
    case 'user':
      parseUserOptions(options);
      return;
    default:
      return;
  }
}
