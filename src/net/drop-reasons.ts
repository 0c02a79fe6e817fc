/** Why the core dropped a frame. The names are stable: queries show them. Clients add reasons of their own. */

/** The sender is wired to nothing. */
export const DROP_NO_PEER = 'no-peer';
/** The link of one of the two ends is down. */
export const DROP_LINK_DOWN = 'link-down';
export const DROP_TOO_SHORT = 'too-short';
export const DROP_TOO_LONG = 'too-long';
/** Offload metadata that contradicts the frame. */
export const DROP_BAD_OFFLOAD = 'bad-offload';
/** The queue's cap: the newest frame of the longest share goes. */
export const DROP_QUEUE_FULL = 'queue-full';
/** One of the ends was removed, or unwired, while the frame waited. */
export const DROP_REMOVED = 'removed';
/** The receiving client threw. */
export const DROP_CLIENT_FAILED = 'client-failed';
/** A hub or switch port had no other port to send to. */
export const DROP_NO_DESTINATION = 'no-destination';
/** A switch frame whose destination is where it came from. */
export const DROP_SAME_PORT = 'same-port';
/** It claims an address that is the yard's own (AddressGuard). */
export const DROP_CLAIMED_ADDRESS = 'claimed-address';
/** The ingress used up its share of flooded copies. */
export const DROP_FLOOD_LIMIT = 'flood-limit';
